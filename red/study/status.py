"""How far every (run, seed) is, read from its files; nothing is kept for this alone."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from red.errors import DataError, RedError, one_line
from red.plumbing.partials import open_regular
from red.plumbing.storage import parse_row, read_object
from red.study import derived, jobs
from red.study.runs import run_spec

TAIL = 65536
# A training that wrote no step for longer is taken as not running.
ALIVE_SECONDS = 60.0
SHOWN = ("accuracy/rollout", "entropy/rollout", "entropy/demonstration", "red/w", "length/rollout", "loss/total")
# The rules of jobs that continue write it before each attempt; their logs are kept.
STARTED = "== started"
# The last line of a Python traceback, of one of our errors, or of what the cluster says of a killed job.
_REASON = re.compile(r"^(red \w+: .+|analysis \w+: .+|slurmstepd\S*: .+|[A-Za-z_.]+(Error|Exception|Interrupt)\b.*)$")


@dataclass(frozen=True)
class Progress:
    """One (run, seed). `changed`: seconds since the epoch of the last training step, 0 if there is none;
    `step_seconds`: how long that step took."""

    run: str
    seed: int
    training: Literal["done", "begun", "failed", "waiting"]
    step: int
    steps: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluated: int = 0
    benchmarks: int = 0
    reasons: tuple[str, ...] = ()
    changed: float = 0.0
    step_seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Trained and evaluated on everything."""
        return self.training == "done" and self.evaluated == self.benchmarks


def progress(config: Mapping[str, Any]) -> list[Progress]:
    """How far every (run, seed) is, in the order of the configuration; one whose files are damaged says so."""
    return [_readable(config, run, seed) for run, seed in jobs.evaluated(config)]


def left(rows: Sequence[Progress], now: float | None = None) -> float:
    """Seconds until all trainings end, about: steps left at the mean time of a step, by the runs that train now.

    0 if nothing trains now, or nothing is left.
    """
    now = time.time() if now is None else now
    seconds = [row.step_seconds for row in rows if row.step_seconds]
    training = sum(row.training == "begun" and now - row.changed < ALIVE_SECONDS for row in rows)
    steps = sum(row.steps - row.step for row in rows if row.training in ("begun", "waiting"))
    return steps * sum(seconds) / len(seconds) / training if seconds and training else 0.0


def failure(log: Path) -> str | None:
    """Why the last job that wrote to this log failed, in its own last words; None if it does not say."""
    for line in reversed(_tail(log).splitlines()):
        if line.startswith(STARTED):
            return None
        line = line.rpartition("\r")[2].strip()
        if _REASON.match(line):
            return line
    return None


def last_metrics(path: Path) -> dict[str, Any]:
    """The last whole line of a metrics file, empty if there is none."""
    for line in reversed(_tail(path).splitlines()):
        try:
            return parse_row(line.encode(), str(path))
        except DataError:
            continue
    return {}


def _readable(config: Mapping[str, Any], run: str, seed: int) -> Progress:
    try:
        return _progress(config, run, seed)
    except (RedError, OSError) as error:
        return Progress(run, seed, "failed", 0, 0, benchmarks=len(config["benchmarks"]), reasons=(one_line(error),))


def _progress(config: Mapping[str, Any], run: str, seed: int) -> Progress:
    results, where = jobs.results(config), Path(run) / f"seed{seed}"
    if run == jobs.BASE:
        ready = (jobs.models_folder(config) / jobs.base_model(config, seed) / "config.json").is_file()
        trained = Progress(run, seed, "done" if ready else "waiting", 0, 0)
    elif derived.is_derived(config, run):
        ready = (results / "derived" / where / "provenance.json").is_file()
        trained = Progress(run, seed, "done" if ready else "waiting", 0, 0)
    else:
        trained = _training(results / "runs" / where, run, seed, run_spec(config, run, seed).training.steps)
    grades = [results / "evaluations" / where / f"{name}.grades.jsonl" for name in config["benchmarks"]]
    evaluated = sum(path.is_file() for path in grades)
    unfinished = []
    if trained.training != "done":
        stage = "derive" if derived.is_derived(config, run) else "train"
        unfinished = [("data/models", jobs.base_model(config, seed))] if run == jobs.BASE else [(stage, str(where))]
    if evaluated < len(grades):
        unfinished += [("generate", str(where)), ("grade", str(where))]
    probes = [probe for other, its_seed, probe in jobs.probed(config) if (other, its_seed) == (run, seed)]
    absent = [probe for probe in probes if not (results / "probes" / where / f"{probe}.parquet").is_file()]
    rotation = ("probe_rotation", str(where))
    unfinished += [rotation if probe == jobs.ROTATION else ("probe", str(where / probe)) for probe in absent]
    logs = Path(config.get("pathvars", {}).get("logs", "logs"))
    reasons = {stage: _reason(logs, stage, name, trained.changed) for stage, name in unfinished}
    failed = any(reasons.get(stage) for stage in ("train", "derive", "data/models"))
    return replace(
        trained,
        training="failed" if failed else trained.training,
        evaluated=evaluated,
        benchmarks=len(grades),
        reasons=tuple(f"{stage}: {text}" for stage, text in reasons.items() if text),
    )


def _reason(logs: Path, stage: str, name: str, since: float) -> str | None:
    """From the job's own log, else from the cluster's, if that was written after `since`.

    A job that the cluster kills cannot write why; Slurm's word for it is beside Snakemake's metadata.
    """
    values = name.replace("/seed", "_").replace("/", "_")
    cluster = Path(".snakemake", "slurm_logs", f"rule_{Path(stage).name.rstrip('s')}", values)
    written = sorted(cluster.glob("*.log"), key=lambda path: path.stat().st_mtime)
    newer = [path for path in written[-1:] if path.stat().st_mtime >= since]
    return failure(logs / stage / f"{name}.log") or next(map(failure, newer), None)


def _training(folder: Path, run: str, seed: int, steps: int) -> Progress:
    provenance = folder / "provenance.json"
    done = provenance.is_file()
    metrics = folder / "metrics.jsonl" if done else folder / "state" / "metrics.jsonl"
    last = last_metrics(metrics)
    shown = {name: last[name] for name in SHOWN if _is_number(last.get(name))}
    step = int(_number(last, "train/step", -1, metrics)) + 1
    seconds = _number(last, "time/step_s", 0.0, metrics)
    if done:
        # An early stop of the guard is a finished run with fewer steps.
        reached = int(_number(read_object(provenance), "steps", step, provenance))
        return Progress(run, seed, "done", reached, steps, shown, step_seconds=seconds)
    changed = metrics.stat().st_mtime if step else 0.0
    return Progress(
        run, seed, "begun" if step else "waiting", step, steps, shown, changed=changed, step_seconds=seconds
    )


def _number(document: Mapping[str, Any], key: str, absent: float, path: Path) -> float:
    value = document.get(key, absent)
    if not _is_number(value):
        raise DataError(f"{path}: {key} is no number: {str(value)[:40]!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    """Whether one can compute with it: a log may hold integers beyond all floats."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _tail(path: Path) -> str:
    try:
        with open_regular(path) as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - TAIL))
            return stream.read().decode("utf-8", errors="replace")
    except (DataError, OSError):
        return ""
