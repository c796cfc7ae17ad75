"""What a stage asks of a machine, and the facts about machine, model and texts that estimates use.

Sections `resources` (per stage), `hardware`, `shape`, `lengths` and `behaviour` of the configuration; every
field has a default that fits the tiny scale. And what finished jobs took, by the workflow's `benchmark:` files.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

from red.engines import engine
from red.errors import ConfigError, DataError
from red.methods.base import Teacher
from red.plumbing.records import merged
from red.plumbing.storage import read_object
from red.ranges import Count, Natural, NonNegative, Positive, Share
from red.training.spec import RunSpec

UNMEASURED_FACTOR = 2.0


@dataclass(frozen=True)
class Request:
    """One job of a stage. `mem_mb` is the machine's memory, `runtime` the most minutes of one attempt.

    A training that needs longer continues from its state in the next of `retries` attempts. Each attempt
    asks for `mem_mb` more, up to `mem_limit` (0: no limit). How many GPUs a training of the OpenRLHF
    engine needs follows from its `cluster` section.
    """

    gpu: Natural = 0
    threads: Count = 1
    mem_mb: Count = 1500
    mem_limit: Natural = 0
    runtime: Count = 60
    retries: Natural = 0


@dataclass(frozen=True)
class Cost:
    """Device-seconds, tokens sampled and trained, bytes kept on disk."""

    seconds: float = 0.0
    sampled: float = 0.0
    trained: float = 0.0
    disk: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, n) + getattr(other, n) for n in Cost.__dataclass_fields__))

    def times(self, factor: float) -> "Cost":
        """The cost of a share of it, or of several."""
        return Cost(*(factor * getattr(self, n) for n in Cost.__dataclass_fields__))

    @property
    def hours(self) -> float:
        """Device-hours."""
        return self.seconds / 3600


@dataclass(frozen=True)
class Hardware:
    """One device (a GPU, or a CPU core where no GPU is asked for), at what it sustains.

    `tflops`: training, floating-point operations done per second / 1e12 (peak x utilization).
    `decode_tokens_per_s`: sampled tokens per second in a training's rollouts, where the longest response
    is waited for, with a model of `decode_parameters`; inversely proportional to the parameters.
    `answer_tokens_per_s`: the same where a long queue keeps the device busy, as in an evaluation, a probe or the search
    for wrong responses (None: no faster).
    `startup_s`: seconds of one job before its first step. `measured`: a file that `python -m bench gpu` wrote on
    this device; what it measured replaces the values here, and what it did not stays a forecast.
    """

    name: str = "CPU core"
    memory_gib: Positive = 4.0
    tflops: Positive = 0.02
    decode_tokens_per_s: Positive = 30000.0
    decode_parameters: Positive = 138e3
    answer_tokens_per_s: Positive | None = None
    startup_s: NonNegative = 4.0
    measured: str | None = None


@dataclass(frozen=True)
class Shape:
    """Size of the model; parameters of the large one that probes may need, and of the teacher that is distilled."""

    parameters: Positive = 138e3
    large_parameters: Positive = 318e3
    teacher_parameters: Positive = 318e3
    layers: Count = 3
    hidden_size: Count = 64
    vocabulary: Count = 192
    window: Count = 256

    def of_model(self, name: str) -> float:
        """Parameters of a prepared model, by its folder's name."""
        return {"large": self.large_parameters, "teacher": self.teacher_parameters}.get(name, self.parameters)

    def of_teacher(self, teacher: Teacher | None) -> float:
        """Parameters of a method's teacher, 0 without one."""
        if teacher is None:
            return 0.0
        return self.teacher_parameters if teacher.who == "model" else self.parameters


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of a prompt, a rollout, a demonstration and a generation; a forecast, not a limit.

    `generation_of`: of the generations of single runs, and of those that are `like` them.
    """

    prompt: Positive = 12.0
    rollout: Positive = 25.0
    demonstration: Positive = 45.0
    generation: Positive = 30.0
    generation_of: Mapping[str, Positive] = field(default_factory=dict)


@dataclass(frozen=True)
class Behaviour:
    """Shares of prompts on which the cost of a method depends, as forecast for the whole training.

    `failed`: every rollout is wrong. `uninformative`: all verdicts of a group are equal. `pretraining_s`:
    seconds that the making of one embedded model takes. `training_prompts`: how many there are.
    """

    failed: Share = 0.35
    uninformative: Share = 0.5
    pretraining_s: NonNegative = 200.0
    training_prompts: Positive = 3000.0


@dataclass(frozen=True)
class Stages:
    """Section `resources`. `derived`: to make these models, and the probe `rotation`; both decompose matrices."""

    model: Request = Request()
    wrong_responses: Request = Request(retries=2)
    demonstrations: Request = Request()
    train: Request = Request(retries=2)
    derived: Request = Request()
    generate: Request = Request(retries=2)
    grade: Request = Request()
    probe: Request = Request(retries=1)


@dataclass(frozen=True)
class Resources:
    """The five sections; `resources["train"]` is the request of that stage."""

    stages: Stages = field(default_factory=Stages)
    hardware: Hardware = field(default_factory=Hardware)
    shape: Shape = field(default_factory=Shape)
    lengths: Lengths = field(default_factory=Lengths)
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __getitem__(self, stage: str) -> Request:
        request: Request = getattr(self.stages, stage)
        return request

    def memory(self, stage: str, attempt: int = 1) -> int:
        """Megabytes that an attempt at a stage asks for."""
        request = self[stage]
        return min(request.mem_mb * attempt, request.mem_limit or request.mem_mb * attempt)

    def gpus(self, spec: RunSpec) -> int:
        """GPUs of one training, over all its nodes."""
        gpus = engine(spec.training.engine).needs(spec).gpus
        return self["train"].gpu if gpus is None else gpus


STAGES = tuple(part.name for part in fields(Stages))


def resources_of(config: Mapping[str, Any]) -> Resources:
    """The sections over the defaults; ConfigError names the key."""
    facts = {
        part.name: merged(getattr(Resources(), part.name), config.get(part.name) or {}, part.name)
        for part in fields(Resources)
        if part.name != "stages"
    }
    facts["hardware"] = _with_measured(facts["hardware"])
    facts["shape"] = merged(replace(Shape(), **_size_of_model(config)), config.get("shape") or {}, "shape")
    return Resources(stages=merged(Stages(), config.get("resources") or {}, "resources"), **facts)


def is_sized(config: Mapping[str, Any]) -> bool:
    """Whether anything says how large the model is; else `Shape` is that of the tiny one."""
    return config["model"]["source"] == "embedded" or bool(config.get("shape") or _size_of_model(config))


def _size_of_model(config: Mapping[str, Any]) -> dict[str, int]:
    """What the files of `model.folder` say, with the window that it is prepared for; nothing where it is not here."""
    model = config.get("model", {})
    folder, wider = Path(model.get("folder") or ""), model.get("max_position_embeddings")
    if not (folder / "config.json").is_file():
        return {}
    from red.models.folder import size

    return {**size(folder), **({"window": wider} if wider else {})}


def measured_of(hardware: Hardware) -> Mapping[str, Any]:
    """What its file measured: keys of `Hardware` and their values. ConfigError if the file cannot say."""
    if hardware.measured is None:
        return {}
    try:
        document = read_object(Path(hardware.measured))
    except DataError as error:
        raise ConfigError(f"hardware.measured: {error}; `python -m bench gpu` writes it where there is a GPU") from None
    if document.get("tried_only") is not False or not isinstance(document.get("hardware"), Mapping):
        raise ConfigError(
            f"hardware.measured: {hardware.measured}: measures nothing (python -m bench gpu --tiny?); "
            "give what `python -m bench gpu` wrote, or null"
        )
    found: Mapping[str, Any] = document["hardware"]
    return found


def _with_measured(hardware: Hardware) -> Hardware:
    return merged(hardware, measured_of(hardware), f"hardware.measured: {hardware.measured}: hardware")


def device_seconds(
    config: Mapping[str, Any], stage: str, seeds: Mapping[str, list[int]], gpus: Mapping[str, int]
) -> dict[str, float]:
    """Mean device-seconds of a stage of each run, where it has finished.

    Wall clock also on a CPU: Snakemake samples processor time too rarely for short jobs.
    """
    folder = Path(config.get("pathvars", {}).get("benchmarks", "benchmarks")) / stage
    means = {}
    for run, its_seeds in seeds.items():
        files = [folder / run / f"seed{seed}.tsv" for seed in its_seeds]
        values = [seconds for file in files if (seconds := _seconds(file)) is not None]
        if values:
            means[run] = sum(values) / len(values) * max(gpus[run], 1)
    return means


def calibration(ratios: list[float]) -> tuple[float, float]:
    """(factor of uncertainty, ratio measured to estimated).

    Two standard deviations of the log ratio among the runs; a fixed factor while fewer than 3 are measured.
    """
    if not ratios:
        return UNMEASURED_FACTOR, 1.0
    middle = median(ratios)
    if len(ratios) < 3:
        return 1.5, middle
    spread = math.sqrt(sum(math.log(r / middle) ** 2 for r in ratios) / (len(ratios) - 1))
    return max(math.exp(2 * spread), 1.05), middle


def _seconds(path: Path) -> float | None:
    """Wall-clock seconds of a Snakemake benchmark file, None if there is none, or none that can be."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            seconds = float(next(csv.DictReader(stream, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
        return None
    return seconds if 0 < seconds < math.inf else None
