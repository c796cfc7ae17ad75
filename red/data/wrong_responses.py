"""Wrong responses of the base model to training prompts, which noisy labels are made of: sampled once for all rates.

Prompts are taken in the order of the corruptions' ranking until there are enough for the largest rate. What
is found for a prompt depends neither on the rate nor on other prompts of its backend's batch, except with the
local backend, which draws a chunk of prompts from one stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from red.data.corruption import Judge, ranked
from red.data.rows import check_joined
from red.data.sources import Demonstration
from red.grading.extract import last_box
from red.models.checkpoint import load
from red.models.folder import load_codec, window
from red.plumbing.item_log import ItemLog
from red.ranges import Natural, Samples, Share
from red.sampling import open_backend
from red.sampling.base import Backend, Request, Sampling
from red.sampling.local import LocalGenerate
from red.sampling.response import Response
from red.seeds import derive
from red.text.tokens import decoded

CHUNK = 512  # prompts sampled together
LONGEST = 8192  # tokens of a response where the model does not say how many it reads


@dataclass(frozen=True)
class WrongResponsesSpec:
    """`samples` is the number of rollouts per prompt among which a wrong response is looked for, `rate` the
    largest share of prompts that any corruption takes; half of them need a wrong response."""

    seed: Natural = 1
    samples: Samples = 16
    rate: Share = 0.4
    template: str = "plain"
    backend: Literal["local", "vllm"] = "local"


@dataclass(frozen=True)
class Task:
    """A prompt whose wrong response is looked for. `length` is that of its demonstration, in tokens."""

    id: str
    prompt: tuple[int, ...]
    answer: str
    length: int


class Search:
    """Rollouts of the base that ended in a wrong box, with 0.5 to 2 times the demonstration's length.

    A right answer without a box is not taken: the noise is in the label, not in the format.
    """

    def __init__(self, spec: WrongResponsesSpec, model: Path, judge: Judge) -> None:
        self.spec, self.model, self.judge = spec, model, judge
        self.codec = load_codec(model)

    def task(self, prompt: Mapping[str, Any], demonstration: Demonstration) -> Task:
        """What is asked, tokenized."""
        where = f"prompt {prompt['id']}"
        text = self.codec.prompt(prompt["question"], None, self.spec.template, prompt.get("system"), where)
        length = len(self.codec.response(demonstration.response, where).ids) + 1
        return Task(prompt["id"], text.tokens, prompt["answer"], length)

    def first_wrong(self, tasks: Sequence[Task], groups: Sequence[Sequence[Response]]) -> list[str | None]:
        """Of each group the first response that will do, None if there is none."""
        candidates = []
        for task, group in zip(tasks, groups, strict=True):
            for response in group:
                text = decoded(self.codec.tokenizer, response.tokens, skip_special_tokens=True)
                is_long_enough = 2 * len(response.tokens) >= task.length
                if response.finish_reason == "stop" and is_long_enough and last_box(text) is not None:
                    candidates.append((task, text))
        verdicts = self.judge((text, task.answer, False) for task, text in candidates)
        wrong: dict[str, str] = {}
        for (task, text), verdict in zip(candidates, verdicts, strict=True):
            if not verdict:
                wrong.setdefault(task.id, text)
        return [wrong.get(task.id) for task in tasks]

    def close(self) -> None:
        """Free what samples."""


class LocalSearch(Search):
    """All samples of a chunk from one random stream."""

    def __init__(self, spec: WrongResponsesSpec, model: Path, judge: Judge) -> None:
        import torch

        super().__init__(spec, model, judge)
        self.generate = LocalGenerate(load(model, "cuda" if torch.cuda.is_available() else "cpu"), 1.0)

    def __call__(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str | None]]:
        """Each task with what was found."""
        groups = self.generate(
            [task.prompt for task in tasks],
            self.spec.samples,
            [2 * task.length for task in tasks],
            derive(self.spec.seed, "wrong responses", *(task.id for task in tasks[:1])),
        )
        yield from zip(tasks, self.first_wrong(tasks, groups), strict=True)


class BackendSearch(Search):
    """Each sample with its own seed, in rounds of 1, 1, 2, 4, ... for the prompts that are still without a
    wrong response: where the base is mostly wrong, this saves most of the samples and changes none."""

    def __init__(self, spec: WrongResponsesSpec, model: Path, judge: Judge, backend: Backend) -> None:
        super().__init__(spec, model, judge)
        self.backend = backend
        self.window = window(model) or LONGEST
        backend.load(model)

    def __call__(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str | None]]:
        """Each task with what was found, as soon as that is settled."""
        start, stop = 0, 1
        while tasks and start < self.spec.samples:
            found = self.first_wrong(tasks, self._sampled(tasks, range(start, stop)))
            pairs = list(zip(tasks, found, strict=True))
            yield from ((task, text) for task, text in pairs if text is not None)
            tasks = [task for task, text in pairs if text is None]
            start, stop = stop, min(2 * stop, self.spec.samples)
        yield from ((task, None) for task in tasks)

    def _sampled(self, tasks: Sequence[Task], samples: range) -> list[list[Response]]:
        requests = [self._request(task, sample) for task in tasks for sample in samples]
        responses = dict(self.backend.generate(requests, Sampling(1.0, self.window)))
        return [[responses[n * len(samples) + i] for i in range(len(samples))] for n in range(len(tasks))]

    def _request(self, task: Task, sample: int) -> Request:
        seed = derive(self.spec.seed, "wrong responses", task.id) + sample
        return Request(task.prompt, seed, max(1, min(2 * task.length, self.window - len(task.prompt))))

    def close(self) -> None:
        """Stop the backend."""
        self.backend.close()


def open_search(spec: WrongResponsesSpec, model: Path, judge: Judge) -> LocalSearch | BackendSearch:
    """By the backend that the spec names."""
    if spec.backend == "local":
        return LocalSearch(spec, model, judge)
    return BackendSearch(spec, model, judge, open_backend(spec.backend))


def wrong_responses(
    spec: WrongResponsesSpec,
    prompts: Sequence[Mapping[str, Any]],
    demonstrations: Sequence[Demonstration],
    model: Path,
    judge: Judge,
    log: ItemLog,
) -> list[dict[str, Any]]:
    """Rows {id, response} in the corruptions' ranking, for the largest rate or for as many prompts as have one.

    `log` (key `id`) holds what earlier attempts found; its prompts are not asked again.
    """
    rows = {row["id"]: row for row in prompts}
    check_joined((row.id for row in demonstrations), rows)
    order = ranked(demonstrations, spec.seed)
    wanted = round(spec.rate * len(order)) // 2
    found: list[dict[str, Any]] = []
    search: LocalSearch | BackendSearch | None = None
    try:
        for start in range(0, len(order), CHUNK):
            if len(found) >= wanted:
                break
            chunk = order[start : start + CHUNK]
            missing = [row for row in chunk if (row.id,) not in log.rows]
            if missing:
                search = search or open_search(spec, model, judge)
                # One stream for the whole chunk: what is there already is drawn again, and equal.
                asked = chunk if isinstance(search, LocalSearch) else missing
                for task, response in search([search.task(rows[row.id], row) for row in asked]):
                    if (task.id,) not in log.rows:
                        log.add({"id": task.id, "response": response})
            answers = ((row.id, log.rows[row.id,]["response"]) for row in chunk)
            found += [{"id": id, "response": response} for id, response in answers if response is not None]
    finally:
        if search is not None:
            search.close()
    return found
