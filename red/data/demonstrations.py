"""Demonstrations: the teacher's response to every training prompt, clean or corrupted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from red.data import corruption
from red.data.corruption import Judge, Tools
from red.data.rows import check_joined
from red.data.sources import Demonstration, source
from red.errors import ConfigError
from red.ranges import Natural, Share


@dataclass(frozen=True)
class CorruptionSpec:
    """What is done to the clean demonstrations; `rate` is the share of prompts whose demonstration is corrupted."""

    seed: Natural = 1
    corruption: str = "clean"
    rate: Share = 0.2


@dataclass(frozen=True)
class Demonstrations:
    """Rows to write, and the summary to write beside them."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any] = field(default_factory=dict)


def demonstrations(spec: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]], judge: Judge) -> Demonstrations:
    """The clean demonstrations of the prompts from `spec["source"]`."""
    origin = source(spec.get("source", "embedded"), "demonstrations.source")
    rows = origin.demonstrations(spec, prompts)
    return Demonstrations([asdict(row) for row in rows], _summary(CorruptionSpec(rate=0.0), prompts, rows, judge))


def corrupted(
    spec: CorruptionSpec,
    prompts: Sequence[Mapping[str, Any]],
    clean: Sequence[Demonstration],
    wrong_responses: Mapping[str, str] | None,
    judge: Judge,
) -> Demonstrations:
    """The clean demonstrations, corrupted as the spec says. `wrong_responses` of the base, by the prompt's id,
    are needed by noisy labels only."""
    corrupt = corruption.named(spec.corruption)
    if wrong_responses is None and corrupt is corruption.noisy_labels:
        raise ConfigError(f"corruption {spec.corruption!r} needs wrong responses: give --wrong-responses FILE")
    answers = {row["id"]: row["answer"] for row in prompts}
    check_joined((row.id for row in clean), answers)

    def verify(prompt_id: str, response: str) -> bool:
        return bool(judge([(response, answers[prompt_id], False)])[0])

    rows = corrupt(clean, spec.rate, spec.seed, Tools(verify, wrong_responses or {}))
    return Demonstrations([asdict(row) for row in rows], _summary(spec, prompts, rows, judge))


def _summary(
    spec: CorruptionSpec, prompts: Sequence[Mapping[str, Any]], rows: Sequence[Demonstration], judge: Judge
) -> dict[str, Any]:
    answers = {row["id"]: row["answer"] for row in prompts}
    kinds: dict[str, list[str]] = {}
    for row in rows:
        if row.corruption is not None:
            kinds.setdefault(row.corruption, []).append(row.id)
    verdicts = judge((row.response, answers[row.id], False) for row in rows)
    return {
        "spec": asdict(spec),
        "demonstrations": len(rows),
        "prompts_without": len(prompts) - len(rows),
        "failing_verifier": sum(not verdict for verdict in verdicts),
        "wanted": round(spec.rate * len(rows)),
        "corrupted": kinds,
    }
