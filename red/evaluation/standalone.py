"""One model on some benchmarks, from weights to a table, without the workflow."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from red.errors import ConfigError, DataError
from red.evaluation import benchmarks as sets
from red.evaluation import presentation
from red.evaluation.catalog import EMBEDDED, benchmark
from red.evaluation.generate import generate
from red.evaluation.protected import letters_only
from red.evaluation.spec import GenerationSpec
from red.evaluation.summary import scores
from red.evaluation.verdicts import grade_answers
from red.plumbing.checksums import refuse_foreign, refuse_inside
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import read_jsonl, write_jsonl
from red.sampling import open_backend
from red.seeds import limited

# The protocol of LUFFY, which the paper says it follows.
DEFAULTS = {"temperature": 0.6, "top_p": 1.0, "max_new_tokens": 8192, "seed": 0}
TEMPLATE = "think"
SAMPLES = 4  # to a problem of somebody's own


@dataclass(frozen=True)
class Options:
    """Arguments of `red evaluate`, the configuration read; None leaves a setting to it or to its default."""

    model: Path
    benchmarks: str
    out: Path
    problems: Sequence[Path] = ()
    data_dir: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    backend: str | None = None
    samples: int | None = None
    limit: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    template: str | None = None
    seed: int | None = None
    workers: int | None = None


def evaluate(options: Options, show: Callable[[presentation.Summary], None] = presentation.show) -> None:
    """Write answers, verdicts, `summary.json` and `summary.md` under `options.out`; show the result."""
    spec = specification(options)
    refuse_inside(options.out, [options.model])
    folder = options.out / "benchmarks"
    for file in ("summary.json", "summary.md"):
        refuse_foreign(options.out / file)
    for name, entry in spec.benchmarks.items():
        write_jsonl(folder / f"{name}.jsonl", _rows(name, entry))
        if reason := sets.missing(folder / f"{name}.jsonl"):
            raise DataError(reason)
    generate([(options.model, options.out)], spec, folder, open_backend, letters_only)
    benchmarks = [benchmark(name, entry) for name, entry in spec.benchmarks.items()]
    problem_sets = [(b, sets.read(folder / f"{b.name}.jsonl")[: spec.limit]) for b in benchmarks]
    grade_answers(options.out, problem_sets, options.workers)
    results = scores(options.out, problem_sets, options.workers)
    title = f"{options.model.name}: {spec.template}, temperature {spec.evaluation.temperature}"
    summary = presentation.Summary(title, to_mapping(spec), results)
    presentation.write(summary, options.out)
    show(summary)


def specification(options: Options) -> GenerationSpec:
    """Configuration (if any), then the options over it. ConfigError on an unknown benchmark or template."""
    config, backend = options.config, "vllm" if find_spec("vllm") else "local"
    settings = {"backend": backend, **DEFAULTS, **config.get("evaluation", {})}
    settings |= {key: value for key in settings if (value := getattr(options, key)) is not None}
    names = [name.strip() for name in options.benchmarks.split(",") if name.strip()]
    entries = {name: _entry(name, config.get("benchmarks", {}), options) for name in names}
    for path in options.problems:
        name = re.sub("[^a-z0-9_]+", "_", path.stem.lower())
        if name in entries:
            raise ConfigError(f"--problems {path}: there is another benchmark named {name!r}; rename the file")
        entries[name] = _own(name, path, options)
    if not entries:
        raise ConfigError("--benchmarks: give at least one name, or a file of --problems")
    return from_mapping(
        GenerationSpec,
        {
            "template": options.template or config.get("template", TEMPLATE),
            "evaluation": settings,
            "benchmarks": entries,
            "limit": options.limit,
        },
        "evaluate",
    )


def _entry(name: str, configured: Mapping[str, Any], options: Options) -> dict[str, Any]:
    entry = dict(configured.get(name, {}))
    if options.data_dir is not None:
        entry["data_dir"] = str(options.data_dir)
    if options.samples is not None:
        entry["samples"] = options.samples
    result: dict[str, Any] = to_mapping(benchmark(name, entry))
    return result


def _own(name: str, path: Path, options: Options) -> dict[str, Any]:
    """A file of problems as a benchmark; options in its first problem make all of them choices."""
    first = next(read_jsonl(path), {})
    grader = "choice" if first.get("options") else "math"
    about = {"source": "own", "data_dir": str(path.parent), "file": path.name, "label": path.stem, "grader": grader}
    about |= {"group": "math" if grader == "math" else "out_of_domain", "metric": "pass_at_1"}
    samples = SAMPLES if options.samples is None else options.samples
    result: dict[str, Any] = to_mapping(benchmark(name, about | {"samples": samples}))
    return result


def _rows(name: str, entry: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if entry["source"] == EMBEDDED:
        from red.world.benchmarks import rows

        whole = rows(name)
        return limited(whole, (row["id"] for row in whole), entry["limit"])
    return sets.rows(name, entry)
