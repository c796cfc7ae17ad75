"""Answers of checkpoints to benchmarks: every answer has its own seed, goes to disk at once, is kept.

The seed of sample i of a problem is base + i, with base = derive(evaluation seed, "generate", run,
seed of the run, benchmark, id of the problem). So each answer can be drawn again on its own.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from red.evaluation import benchmarks as sets
from red.evaluation import catalog
from red.evaluation.answers import AnswerLog, Key, share_storage
from red.evaluation.catalog import Benchmark
from red.evaluation.spec import GenerationSpec
from red.models.folder import check_window, load_codec
from red.plumbing.checksums import folder_hash, listed, refuse_foreign
from red.plumbing.partials import remove_partials
from red.plumbing.progress import GenerationProgress
from red.plumbing.provenance import spec_hash
from red.plumbing.storage import checked_line, discard, only_here, product, write_json, write_jsonl
from red.sampling.base import Backend, Request, Sampling
from red.sampling.response import Response
from red.seeds import derive
from red.text.codec import Codec, Prompt
from red.text.template import THOUGHT_OPEN
from red.text.tokens import decoded

Redact = Callable[[str, Sequence[str]], str]  # of a response, and of the options


@dataclass
class Work:
    """One benchmark for one checkpoint: its prompts, and the answers there are."""

    benchmark: Benchmark
    codec: Codec
    checkpoint_hash: str
    problems: Mapping[str, sets.Problem]
    prompts: Mapping[str, Prompt]
    bases: Mapping[str, int]
    log: AnswerLog
    missing: list[Key] = field(default_factory=list)

    def samples(self) -> list[Key]:
        """All (problem, sample), in order."""
        return [(id, index) for id in self.problems for index in range(self.benchmark.samples)]


def generate(
    jobs: Sequence[tuple[Path, Path]],
    spec: GenerationSpec,
    folder: Path,
    open_backend: Callable[[str], Backend],
    redact: Redact,
) -> None:
    """Answer every benchmark of `spec` with every (checkpoint, output folder); skip what is there.

    `folder` holds the benchmark files. The backend is opened only if an answer is missing, once for all.
    `redact` gives what may be kept of an answer to a protected benchmark.
    Writes `<benchmark>.generations.jsonl` and `<benchmark>.json` (how they were made), each only whole. A benchmark
    that could not be had leaves one row that says so.
    """
    backend: Backend | None = None
    try:
        for checkpoint, out in jobs:
            for name in spec.benchmarks:
                for file in (f"{name}.generations.jsonl", f"{name}.json"):
                    refuse_foreign(out / file)
            with only_here(out / "state" / "lock", "generating"):
                remove_partials(out / "state")
                works = _plan(checkpoint, out, spec, folder)
                if any(work.missing for work in works):
                    backend = backend or open_backend(spec.evaluation.backend)
                    backend.load(checkpoint)
                    _answer(works, backend, spec, checkpoint, redact)
                for work in works:
                    _finish(work, out, spec)
                for name, reason in _missing(spec, folder).items():
                    write_jsonl(out / f"{name}.generations.jsonl", [{"missing": reason}])
    finally:
        if backend is not None:
            backend.close()


def _missing(spec: GenerationSpec, folder: Path) -> dict[str, str]:
    """Why a benchmark of `spec` has no problems, by name."""
    reasons = {name: sets.missing(folder / f"{name}.jsonl") for name in spec.benchmarks}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _plan(checkpoint: Path, out: Path, spec: GenerationSpec, folder: Path) -> list[Work]:
    codec = load_codec(checkpoint)
    identity = folder_hash(checkpoint)
    works = []
    absent = _missing(spec, folder)
    for name, entry in spec.benchmarks.items():
        if name in absent:
            continue
        benchmark = catalog.benchmark(name, entry)
        problems = sets.read(folder / f"{name}.jsonl", benchmark.problems)[: spec.limit]
        work = Work(
            benchmark=benchmark,
            codec=codec,
            checkpoint_hash=identity,
            problems={p.id: p for p in problems},
            prompts={p.id: sets.prompt(p, benchmark, codec, spec.template, spec.system) for p in problems},
            bases={p.id: base_seed(spec, benchmark, p.id) for p in problems},
            log=AnswerLog(out / "state" / f"{name}.{_settings_hash(spec, codec, identity)}.jsonl"),
        )
        _check_lengths(work, spec, checkpoint)
        for key in work.samples():
            if key in work.log.rows and not _is_current(work, key):
                work.log.discard(key)
        work.missing = [key for key in work.samples() if key not in work.log.rows]
        works.append(work)
    return works


def base_seed(spec: GenerationSpec, benchmark: Benchmark, id: str) -> int:
    """Seed of sample 0 of a problem; a subset has the seeds of the whole."""
    name = benchmark.part_of or benchmark.name
    return derive(spec.evaluation.seed, "generate", spec.run, spec.seed, name, id)


def prompt_hash(text: str) -> str:
    """SHA-256 of the rendered prompt."""
    return hashlib.sha256(text.encode()).hexdigest()


def _settings_hash(spec: GenerationSpec, codec: Codec, identity: str) -> str:
    template = codec.template_hash(spec.template, spec.system)
    return spec_hash({"checkpoint": identity, "template": template, **_sampling_settings(spec)})


def _sampling_settings(spec: GenerationSpec) -> dict[str, Any]:
    """What changes an answer; the number of workers does not."""
    return {key: value for key, value in asdict(spec.evaluation).items() if key != "workers"}


def _is_current(work: Work, key: Key) -> bool:
    row, (id, index) = work.log.rows[key], key
    return bool(row["prompt_hash"] == prompt_hash(work.prompts[id].text) and row["seed"] == work.bases[id] + index)


def _check_lengths(work: Work, spec: GenerationSpec, checkpoint: Path) -> None:
    id, longest = max(work.prompts.items(), key=lambda item: len(item[1].tokens))
    new, name = spec.evaluation.max_new_tokens, f"{work.benchmark.name}: {id}"
    check_window(checkpoint, name, len(longest.tokens), new, "evaluation.max_new_tokens")


def _answer(works: Sequence[Work], backend: Backend, spec: GenerationSpec, checkpoint: Path, redact: Redact) -> None:
    title = f"{spec.run or checkpoint.name} seed {spec.seed}"
    pending = [(work, key) for work in works for key in work.missing]
    requests = [Request(work.prompts[id].tokens, work.bases[id] + index) for work, (id, index) in pending]
    settings = spec.evaluation
    sampling = Sampling(settings.temperature, settings.max_new_tokens, settings.top_p)
    total = sum(len(work.samples()) for work in works)
    with GenerationProgress(title, total, total - len(pending)) as progress:
        for position, answer in backend.generate(requests, sampling):
            work, (id, index) = pending[position]
            text = decoded(work.codec.tokenizer, answer.text_tokens, skip_special_tokens=False)
            work.log.add(_row(work, id, index, text, answer, redact))
            progress.advance(len(answer.tokens))


def _row(work: Work, id: str, index: int, text: str, answer: Response, redact: Redact) -> dict[str, Any]:
    """A line of the generations file. A thought that the prompt opened is put back before the response."""
    response = THOUGHT_OPEN + text if work.prompts[id].text.endswith(THOUGHT_OPEN) else text
    if work.benchmark.protected:
        response = redact(response, work.problems[id].options or ())
    return {
        "id": id,
        "index": index,
        "response": response,
        "tokens": len(answer.tokens),
        "finish_reason": answer.finish_reason,
        "seed": work.bases[id] + index,
        "prompt_hash": prompt_hash(work.prompts[id].text),
    }


def _finish(work: Work, out: Path, spec: GenerationSpec) -> None:
    """Put the answers in order under their final name, which exists only when all are there."""
    work.log.close()
    keys = work.samples()
    final = out / f"{work.benchmark.name}.generations.jsonl"
    before = listed(out).get(final.name)
    with product(final) as stream:
        for key in keys:
            stream.write(checked_line(work.log.rows[key]))
    if len(work.log.rows) == len(keys):
        share_storage(final, work.log.path)
    if listed(out).get(final.name) != before:
        discard(out / f"{work.benchmark.name}.grades.jsonl")  # verdicts on other answers
    write_json(out / f"{work.benchmark.name}.json", _description(work, spec))


def _description(work: Work, spec: GenerationSpec) -> dict[str, Any]:
    return {
        **_sampling_settings(spec),
        "benchmark": work.benchmark.name,
        "problems": len(work.problems),
        "samples": work.benchmark.samples,
        "run": spec.run,
        "run_seed": spec.seed,
        "template": spec.template,
        "template_hash": work.codec.template_hash(spec.template, spec.system),
        "layout": work.benchmark.layout,
        "checkpoint_hash": work.checkpoint_hash,
        "revision": work.benchmark.hub.revision if work.benchmark.hub else None,
    }
