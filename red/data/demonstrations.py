"""Demonstrations: the teacher's response to every training prompt, clean or corrupted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from red.data import corruption
from red.data.corruption import Tools
from red.data.sources import Demonstration, source
from red.errors import ConfigError
from red.grading.reward import RewardJudge
from red.plumbing.records import from_mapping
from red.seeds import derive
from red.world.styles import boxed_answer


@dataclass(frozen=True)
class CorruptionSpec:
    """What is done to the clean demonstrations.

    `rate` is the share of prompts whose demonstration is corrupted; `samples` the number of rollouts
    per prompt among which a wrong response is looked for.
    """

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


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]], model: Path | None) -> Demonstrations:
    """Demonstrations of the prompts from `spec["source"]`, corrupted as the spec says.

    `model` is the base, for wrong responses.
    """
    corruption_values = {key: spec[key] for key in spec if key in CorruptionSpec.__dataclass_fields__}
    corruption_spec = from_mapping(CorruptionSpec, corruption_values, "demonstrations")
    corrupt = corruption.named(corruption_spec.corruption)
    origin = source(spec.get("source", "embedded"), "demonstrations.source")
    source_values = {key: spec[key] for key in spec if key not in corruption_values or key == "seed"}
    clean = origin.demonstrations(source_values, prompts)
    answers = {row["id"]: str(row["answer"]) for row in prompts}
    with RewardJudge() as judge:

        def verify(prompt_id: str, response: str) -> bool:
            return bool(judge([(response, answers[prompt_id], False)])[0])

        tools = Tools(verify, _wrong_responses(corruption_spec, prompts, clean, model, verify))
        rows = corrupt(clean, corruption_spec.rate, corruption_spec.seed, tools)
        return Demonstrations([asdict(row) for row in rows], _summary(corruption_spec, prompts, rows, verify))


def _wrong_responses(
    spec: CorruptionSpec,
    prompts: Sequence[Mapping[str, Any]],
    demonstrations: Sequence[Demonstration],
    model: Path | None,
    verify: Callable[[str, str], bool],
) -> Callable[[Sequence[str]], dict[str, str]]:
    """Rollouts of the base that ended in a wrong box, with 0.5 to 2 times the demonstration's length.

    A right answer without a box is not taken: the noise is in the label, not in the format.
    """
    questions = {row["id"]: row["question"] for row in prompts}
    systems = {row["id"]: row.get("system") for row in prompts}
    responses = {row.id: row.response for row in demonstrations}

    def find(ids: Sequence[str]) -> dict[str, str]:
        import torch

        from red.models.checkpoint import load
        from red.sampling.sampler import sample
        from red.text.template import render

        if model is None:
            raise ConfigError(f"corruption {spec.corruption!r} samples wrong responses: give --model DIR")
        checkpoint = load(model, "cuda" if torch.cuda.is_available() else "cpu")
        encode, decode = checkpoint.tokenizer.encode, checkpoint.tokenizer.decode
        lengths = {name: len(encode(responses[name]).ids) + 1 for name in ids}
        groups = sample(
            checkpoint.model,
            [encode(render(questions[name], None, spec.template, systems[name])).ids for name in ids],
            samples=spec.samples,
            max_new_tokens=[2 * lengths[name] for name in ids],
            stop_ids=checkpoint.codec.stop_ids,
            temperature=1.0,
            generator=torch.Generator().manual_seed(derive(spec.seed, "wrong responses", *ids[:1])),
        )
        wrong: dict[str, str] = {}
        for name, group in zip(ids, groups, strict=True):
            for rollout in group:
                text = decode(rollout.tokens)
                is_long_enough = 2 * len(rollout.tokens) >= lengths[name]
                is_wrong = boxed_answer(text) is not None and not verify(name, text)
                if rollout.finish_reason == "stop" and is_long_enough and is_wrong:
                    wrong[name] = text
                    break
        return wrong

    return find


def _summary(
    spec: CorruptionSpec,
    prompts: Sequence[Mapping[str, Any]],
    rows: Sequence[Demonstration],
    verify: Callable[[str, str], bool],
) -> dict[str, Any]:
    corrupted: dict[str, list[str]] = {}
    for row in rows:
        if row.corruption is not None:
            corrupted.setdefault(row.corruption, []).append(row.id)
    return {
        "spec": asdict(spec),
        "demonstrations": len(rows),
        "prompts_without": len(prompts) - len(rows),
        "failing_verifier": sum(not verify(row.id, row.response) for row in rows),
        "wanted": 0 if spec.corruption == "clean" else round(spec.rate * len(rows)),
        "corrupted": corrupted,
    }
