"""Demonstrations: the teacher's response to every training prompt, clean or corrupted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from red.data import corruption
from red.data.corruption import Demonstration, Tools
from red.data.world.problems import parse
from red.data.world.styles import boxed_answer, teacher_response
from red.errors import ConfigError
from red.records import from_mapping
from red.seeds import derive


@dataclass(frozen=True)
class EmbeddedDemonstrations:
    """Spec of demonstrations of the tiny world.

    `rate` is the share of prompts whose demonstration is corrupted; `samples` the number of rollouts
    per prompt among which a wrong response is looked for.
    """

    source: str = "embedded"
    seed: int = 1
    corruption: str = "clean"
    rate: float = 0.2
    samples: int = 16
    template: str = "plain"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ConfigError(f"demonstrations.rate: {self.rate} is not in [0, 1]")


@dataclass(frozen=True)
class Demonstrations:
    """Rows to write, and the summary to write beside them."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any] = field(default_factory=dict)


def embedded(
    spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]], model: Path | None
) -> Demonstrations:
    """Teacher responses to the tiny world's prompts; `model` is the base, for wrong responses."""
    wanted = from_mapping(EmbeddedDemonstrations, spec, "demonstrations")
    corrupt = corruption.named(wanted.corruption)
    clean = [Demonstration(row["id"], _teacher(row, wanted.seed)) for row in prompts]
    answers = {row["id"]: row["answer"] for row in prompts}

    def verify(prompt_id: str, response: str) -> bool:
        return boxed_answer(response) == answers[prompt_id]

    tools = Tools(verify=verify, wrong_responses=_wrong_responses(wanted, prompts, clean, model, verify))
    rows = corrupt(clean, wanted.rate, wanted.seed, tools)
    return Demonstrations([asdict(row) for row in rows], _summary(wanted, rows, verify))


def _teacher(row: Mapping[str, Any], seed: int) -> str:
    return teacher_response(Random(derive(seed, "demonstration", row["id"])), parse(row["question"]))


def _wrong_responses(
    spec: EmbeddedDemonstrations,
    prompts: Sequence[Mapping[str, Any]],
    demonstrations: Sequence[Demonstration],
    model: Path | None,
    verify: Callable[[str, str], bool],
) -> Callable[[Sequence[str]], dict[str, str]]:
    """Rollouts of the base that ended in a wrong box, with 0.5 to 2 times the demonstration's length.

    A right answer without a box is not taken: the noise is in the label, not in the format.
    """
    questions = {row["id"]: row["question"] for row in prompts}
    responses = {row.id: row.response for row in demonstrations}

    def find(ids: Sequence[str]) -> dict[str, str]:
        import torch

        from red.data.template import render
        from red.models.checkpoint import load
        from red.models.sampler import sample

        if model is None:
            raise ConfigError(f"corruption {spec.corruption!r} samples wrong responses: give --model DIR")
        checkpoint = load(model)
        encode, decode = checkpoint.tokenizer.encode, checkpoint.tokenizer.decode
        lengths = {name: len(encode(responses[name]).ids) + 1 for name in ids}
        groups = sample(
            checkpoint.model,
            [encode(render(questions[name], None, spec.template)).ids for name in ids],
            samples=spec.samples,
            max_new_tokens=[2 * lengths[name] for name in ids],
            eos_id=checkpoint.eos_id,
            temperature=1.0,
            generator=torch.Generator().manual_seed(derive(spec.seed, "wrong responses", *ids[:1])),
        )
        found: dict[str, str] = {}
        for name, group in zip(ids, groups, strict=True):
            for one in group:
                text = decode(one.tokens)
                is_long_enough = 2 * len(one.tokens) >= lengths[name]
                is_wrong = boxed_answer(text) is not None and not verify(name, text)
                if one.finish_reason == "stop" and is_long_enough and is_wrong:
                    found[name] = text
                    break
        return found

    return find


def _summary(
    spec: EmbeddedDemonstrations, rows: Sequence[Demonstration], verify: Callable[[str, str], bool]
) -> dict[str, Any]:
    corrupted: dict[str, list[str]] = {}
    for row in rows:
        if row.corruption is not None:
            corrupted.setdefault(row.corruption, []).append(row.id)
    return {
        "spec": asdict(spec),
        "demonstrations": len(rows),
        "failing_verifier": sum(not verify(row.id, row.response) for row in rows),
        "wanted": 0 if spec.corruption == "clean" else round(spec.rate * len(rows)),
        "corrupted": corrupted,
    }
