"""Re-distillation: a trained model's own right answers to the training prompts, as demonstrations (arXiv 2505.17988).

Every prompt gets one greedy answer. What ends by itself and what the grader finds right is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from red.data.corruption import Judge
from red.data.demonstrations import Demonstrations
from red.data.sources import Demonstration
from red.errors import DataError
from red.models.folder import check_window, load_codec
from red.plumbing.item_log import ItemLog
from red.plumbing.progress import GenerationProgress
from red.ranges import Count, Length
from red.sampling.base import Backend, Request, Sampling
from red.seeds import limited
from red.text.template import THOUGHT_OPEN
from red.text.tokens import decoded


@dataclass(frozen=True)
class RedistillationSpec:
    """`count` is how many of the right answers are kept, by a choice that a larger number only adds to; lengths in
    tokens."""

    max_prompt_tokens: Length
    max_new_tokens: Length
    template: str
    count: Count | None = None
    backend: Literal["local", "vllm"] = "local"


def redistilled(
    spec: RedistillationSpec,
    prompts: Sequence[Mapping[str, Any]],
    model: Path,
    judge: Judge,
    backend: Backend,
    log: ItemLog,
) -> Demonstrations:
    """The kept answers in the order of the prompts, and how many there were; DataError if none is right.

    `log` (key `id`) holds what earlier attempts have answered.
    """
    codec = load_codec(model)
    is_open = codec.render("?", None, spec.template).endswith(THOUGHT_OPEN)
    asked = {}
    for row in prompts:
        text = codec.prompt(
            row["question"], row.get("options"), spec.template, row.get("system"), f"prompt {row['id']}"
        )
        if len(text.tokens) <= spec.max_prompt_tokens:
            asked[row["id"]] = text.tokens
    if not asked:
        raise DataError(
            f"no prompt of {len(prompts)} has at most {spec.max_prompt_tokens} tokens; raise max_prompt_tokens"
        )
    longest = max(asked, key=lambda id: len(asked[id]))
    check_window(model, f"prompt {longest}", len(asked[longest]), spec.max_new_tokens, "max_new_tokens")
    missing = [id for id in asked if (id,) not in log.rows]
    if missing:
        backend.load(model)
        requests = [Request(asked[id], 0) for id in missing]
        with GenerationProgress("answers", len(asked), len(asked) - len(missing)) as progress:
            for number, response in backend.generate(requests, Sampling(0.0, spec.max_new_tokens)):
                answer = decoded(codec.tokenizer, response.tokens, skip_special_tokens=True)
                about = {"tokens": len(response.tokens), "ended": response.finish_reason == "stop"}
                log.add({"id": missing[number], "response": answer, **about})
                progress.advance(len(response.tokens))
    answers = {row["id"]: log.rows[row["id"],] for row in prompts if row["id"] in asked}
    golds = {row["id"]: row["answer"] for row in prompts}
    ended = [row for row in answers.values() if row["ended"] and row["response"].strip()]
    verdicts = judge((row["response"], golds[row["id"]], is_open) for row in ended)
    right = [row for row, verdict in zip(ended, verdicts, strict=True) if verdict]
    if not right:
        raise DataError(f"{model}: none of its {len(answers)} answers is right; there is nothing to learn from")
    kept = limited(right, (row["id"] for row in right), spec.count)
    summary = {
        "spec": asdict(spec),
        "asked": len(answers),
        "ended": sum(row["ended"] for row in answers.values()),
        "right": len(right),
        "demonstrations": len(kept),
        "mean_tokens": fmean(row["tokens"] for row in kept),
    }
    return Demonstrations([asdict(Demonstration(row["id"], row["response"])) for row in kept], summary)
