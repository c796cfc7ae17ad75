"""What a configuration will cost: device-hours, peak device memory, tokens and disk, before it runs.

Formulas (N parameters, tokens as forecast by `resources.lengths`, hardware at what it sustains):

    sampled  = steps x prompts x rollouts x length of a rollout, times what the method adds:
               dynamic sampling 1 / (1 - uninformative), at most its rounds;
               anchor search 1 + failed x log2(episodes)
    trained  = steps x prompts x (rollouts x rollout + demonstrations x demonstration), plus prompts;
               fine-tuning steps add failed x demonstration
    seconds  = sampled / decode rate + 8 N trained / sustained FLOP/s + start-up x devices
               (6 N forward and backward, 2 N recomputed activations; + 2 N with several updates
               per rollout, which need the old log-probabilities)
    memory   = 16 N / devices (weights, gradients, master copy and two moments) + 2 N (gathered weights)
               + tokens per forward x (layers x hidden x 2 + vocabulary x 10), or the sampler's share
    disk     = checkpoint and snapshots, b N each, and the lines of metrics; answers, by their tokens and rows; models
               (those of the hub twice, here and in its cache); resume states only while a training runs.
               b, the bytes of a state and the number of states are the engine's (`red.engines.Stored`)
    probes   = rollouts at the decode rate + 2 N operations per token that is read, times the GPUs of the job
    wrong responses: rollouts of the base until the largest rate has enough

Where the workflow has `benchmark:` files of the same scale, their seconds replace the estimate, and the
other runs are scaled by the median ratio of measured to estimated.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from red.engines import engine
from red.study import jobs
from red.study.resources import STAGES, Resources, resources_of
from red.study.runs import run_spec, w_source
from red.training.spec import RunSpec

GIB = 2.0**30
BYTES_PER_TOKEN_OF_TEXT = 4.5
# Of one step's metrics; of an answer and its verdict beside the text itself; of one measured token of a probe.
BYTES_PER_STEP = 3000.0
BYTES_PER_ANSWER = 400.0
BYTES_PER_TOKEN_OF_PROBE = 16.0
UNMEASURED_FACTOR = 2.0


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
class Row:
    """One run: cost of a seed's training and evaluation, peak memory per device, the disk of its resume states
    while it runs, and its GPUs."""

    run: str
    seeds: int
    steps: int
    training: Cost
    evaluation: Cost
    memory: float
    state: float
    gpus: int
    measured: bool


@dataclass(frozen=True)
class Estimate:
    """All runs. What is not measured lies between its forecast / factor and x factor, as far as is known."""

    scale: str
    device: str
    rows: tuple[Row, ...]
    other: Cost
    alone: Cost
    factor: float
    measured: int
    gpus_per_node: int

    @property
    def training(self) -> Cost:
        """Cost of training all seeds of all runs."""
        return _sum(row.training.times(row.seeds) for row in self.rows)

    @property
    def total(self) -> Cost:
        """Cost of training, evaluation and preparation."""
        return self.training + _sum(row.evaluation.times(row.seeds) for row in self.rows) + self.other

    @property
    def hours_between(self) -> tuple[float, float]:
        """Device-hours at least and at most: measured trainings as they were, the rest with its factor."""
        measured = _sum(row.training.times(row.seeds) for row in self.rows if row.measured).hours
        rest = self.total.hours - measured
        return measured + rest / self.factor, measured + rest * self.factor

    @property
    def trainings(self) -> int:
        """Number of training jobs."""
        return sum(row.seeds for row in self.rows if row.steps)

    @property
    def saved(self) -> Cost:
        """What shared parents and control sources save against training each method alone."""
        return self.alone + self.training.times(-1)


def estimate(config: Mapping[str, Any]) -> Estimate:
    """Cost of everything the configuration asks for; reads `benchmark:` files where they exist."""
    resources = resources_of(config)
    seeds: dict[str, list[int]] = {}
    for run, seed in jobs.trained(config):
        seeds.setdefault(run, []).append(seed)
    specs = {run: run_spec(config, run, its_seeds[0]) for run, its_seeds in seeds.items()}
    forecast = {run: training_cost(spec, resources) for run, spec in specs.items()}
    gpus = {run: resources.gpus(spec) for run, spec in specs.items()}
    seconds = _measured(config, seeds, gpus)
    factor, ratio = _calibration([seconds[run] / forecast[run].seconds for run in seconds])
    costs = {run: _with_seconds(cost, seconds.get(run, cost.seconds * ratio)) for run, cost in forecast.items()}
    evaluation = evaluation_cost(config, resources)
    bases = len(jobs.base_seeds(config))
    models = [
        (resources.shape.large_parameters if name == "large" else resources.shape.parameters)
        * _bytes_of_model(model["source"])
        for name, model in jobs.models(config).items()
    ]
    rows = [Row(jobs.BASE, bases, 0, Cost(disk=sum(models) / bases), evaluation, 0, 0, 0, False)]
    rows += [
        Row(
            run,
            len(seeds[run]),
            spec.training.steps,
            costs[run],
            evaluation,
            memory(spec, resources),
            state_bytes(spec, resources),
            gpus[run],
            run in seconds,
        )
        for run, spec in specs.items()
    ]
    return Estimate(
        scale=config["scale"],
        device=resources.hardware.name,
        rows=tuple(rows),
        other=_other_cost(config, resources),
        alone=_alone(config, seeds, costs),
        factor=factor,
        measured=len(seconds),
        gpus_per_node=_gpus_per_node(specs.values(), resources),
    )


def training_cost(spec: RunSpec, resources: Resources) -> Cost:
    """Cost of training one seed of a run, without its parents."""
    method, training, lengths = spec.build_method(), spec.training, resources.lengths
    prompts = training.steps * training.prompts_per_step
    rollouts = method.mix.samples(training.group_size)
    behaviour = resources.behaviour
    factor = method.mix.sampled_per_kept(behaviour.failed, behaviour.uninformative)
    sampled = prompts * rollouts * lengths.rollout * factor
    demonstrations = method.mix.demonstrations_per_prompt()
    if method.second_step is not None:
        demonstrations += method.second_step.demonstrations(behaviour.failed)
    responses = rollouts * lengths.rollout + demonstrations * lengths.demonstration
    trained = prompts * (responses + (rollouts + demonstrations) * lengths.prompt)
    shape, hardware = resources.shape, resources.hardware
    several = training.updates_per_rollout > 1 or training.sequences_per_update is not None
    operations = (8 + 2 * several) * shape.parameters * trained
    devices = max(resources.gpus(spec), 1)
    seconds = sampled / _decode_rate(resources) + operations / (hardware.tflops * 1e12)
    checkpoint = engine(training.engine).needs(spec).stored.checkpoint * shape.parameters
    kept = checkpoint * (1 + len(spec.snapshots)) + training.steps * BYTES_PER_STEP
    return Cost(seconds + hardware.startup_s * devices, sampled, trained, kept)


def state_bytes(spec: RunSpec, resources: Resources) -> float:
    """Bytes of all resume states of one training, which are there only while it runs."""
    stored = engine(spec.training.engine).needs(spec).stored
    return stored.states * stored.state * resources.shape.parameters


def training_minutes(spec: RunSpec, resources: Resources, attempt: int = 1) -> int:
    """Wall-clock minutes to ask for: half more than the forecast, doubled at each further attempt.

    Never more than one attempt may take; the next one continues from the saved state.
    """
    devices = max(resources.gpus(spec), 1)
    minutes = 1.5 * training_cost(spec, resources).seconds / devices / 60
    return min(resources["train"].runtime, int(math.ceil(max(minutes, 10)) * 2 ** (attempt - 1)))


def evaluation_cost(config: Mapping[str, Any], resources: Resources) -> Cost:
    """Cost of answering all benchmarks with one checkpoint."""
    answers = sum(
        _problems(name, entry) * entry["samples"]
        for name, entry in ((n, jobs.benchmark_spec(config, n)) for n in config["benchmarks"])
    )
    sampled = answers * resources.lengths.generation
    start = resources.hardware.startup_s * max(resources["generate"].gpu, 1)
    disk = sampled * BYTES_PER_TOKEN_OF_TEXT + answers * BYTES_PER_ANSWER
    return Cost(sampled / _decode_rate(resources) + start, sampled, 0, disk)


def memory(spec: RunSpec, resources: Resources) -> float:
    """Peak bytes on one device during training."""
    shape, training = resources.shape, spec.training
    devices = max(resources.gpus(spec), 1)
    tokens = max(training.tokens_per_forward, training.max_prompt_tokens + training.max_new_tokens)
    activations = tokens * (shape.layers * shape.hidden_size * 2 + shape.vocabulary * 10)
    learner = 16 * shape.parameters / devices + 2 * shape.parameters + activations
    shares = engine(spec.training.engine).needs(spec).reads_cluster and spec.build_method().mix.rollouts != "none"
    sampler = spec.cluster.vllm_memory * resources.hardware.memory_gib * GIB if shares else 0.0
    return max(learner, sampler)


def _bytes_of_model(source: str) -> float:
    """Per parameter: an embedded model in float32, or one of the hub in bfloat16, prepared and in the hub's cache."""
    return 4.0 if source == "embedded" else 2 * 2.0


def _decode_rate(resources: Resources) -> float:
    hardware = resources.hardware
    return hardware.decode_tokens_per_s * hardware.decode_parameters / resources.shape.parameters


def _problems(name: str, entry: Mapping[str, Any]) -> int:
    from red.world.benchmarks import RECIPES

    whole = int(entry["rows"] or (RECIPES[name][0] if name in RECIPES else 200))
    return min(whole, entry["limit"] or whole)


def _other_cost(config: Mapping[str, Any], resources: Resources) -> Cost:
    """Embedded models, wrong responses for noisy labels, and probes."""
    embedded = sum(model.get("source") == "embedded" for model in jobs.models(config).values())
    total = Cost(seconds=embedded * resources.behaviour.pretraining_s)
    if jobs.noisy(config):
        total += wrong_responses_cost(config, resources)
    for _, _, probe in jobs.probed(config):
        total += probe_cost(config, probe, resources)
    return total


def wrong_responses_cost(config: Mapping[str, Any], resources: Resources) -> Cost:
    """Rollouts of the base until enough prompts have a wrong one.

    Those that are always right (uninformative, but not failed) are asked in vain, with all samples; the
    others need about two with a backend, which asks in rounds, and all of them with the local one.
    """
    spec, behaviour = jobs.wrong_responses_spec(config), resources.behaviour
    always_right = max(behaviour.uninformative - behaviour.failed, 0.0)
    prompts = spec["rate"] / 2 * behaviour.training_prompts / (1 - min(always_right, 0.9))
    samples = spec.get("samples", 16)
    mean = samples if spec["backend"] == "local" else always_right * samples + (1 - always_right) * min(2, samples)
    sampled = prompts * mean * resources.lengths.rollout
    start = resources.hardware.startup_s * max(resources["wrong_responses"].gpu, 1)
    return Cost(sampled / _decode_rate(resources) + start, sampled)


def probe_cost(config: Mapping[str, Any], probe: str, resources: Resources) -> Cost:
    """One job of a probe: rollouts, and passes of each model over these or over the demonstrations."""
    entry, lengths, shape = config["probes"][probe], resources.lengths, resources.shape
    names = jobs.probe_models(config, probe)
    prompts, samples = entry.get("prompts", 256), entry.get("samples", 1)
    sampled = prompts * samples * lengths.rollout * (2 if probe == "entropy" else 1)
    demonstrations = prompts * (lengths.prompt + lengths.demonstration)
    read = {"entropy": sampled + 2 * demonstrations, "confidence": demonstrations, "tokens": sampled * (1 + len(names))}
    operations = 2 * shape.parameters * read[probe]
    if "large" in names:
        operations += 2 * shape.large_parameters * demonstrations
    gpus = max(jobs.probe_gpus(config, probe), 1)
    # The layers of a model that is spread over GPUs are computed one after the other.
    seconds = sampled / _decode_rate(resources) + operations / (resources.hardware.tflops * 1e12)
    return Cost((seconds + resources.hardware.startup_s) * gpus, sampled, 0, sampled * BYTES_PER_TOKEN_OF_PROBE)


def _alone(config: Mapping[str, Any], seeds: Mapping[str, list[int]], costs: Mapping[str, Cost]) -> Cost:
    """Cost if every run had its own copy of the runs it descends from and of the source of its w."""
    total = Cost()
    for run, its_seeds in seeds.items():
        cost = costs[run]
        for parent, step in jobs.parents(config, run):
            share = 1.0 if step is None else step / run_spec(config, parent, 0).training.steps
            cost += costs[parent].times(share)
        if source := w_source(config, run):
            cost += costs[source]
        total += cost.times(len(its_seeds))
    return total


def _gpus_per_node(specs: Iterable[RunSpec], resources: Resources) -> int:
    """The most that one job asks of one node."""
    of_runs = [-(-resources.gpus(spec) // max(spec.cluster.nodes, 1)) for spec in specs]
    return max([*of_runs, *(resources[stage].gpu for stage in STAGES if stage != "train")])


def _measured(config: Mapping[str, Any], seeds: Mapping[str, list[int]], gpus: Mapping[str, int]) -> dict[str, float]:
    """Mean device-seconds of the finished trainings of each run.

    Wall clock also on a CPU: Snakemake samples processor time too rarely for short jobs.
    """
    folder = Path(config.get("pathvars", {}).get("benchmarks", "benchmarks")) / "train"
    means = {}
    for run, its_seeds in seeds.items():
        files = [folder / run / f"seed{seed}.tsv" for seed in its_seeds]
        values = [seconds for file in files if (seconds := _seconds(file)) is not None]
        if values:
            means[run] = sum(values) / len(values) * max(gpus[run], 1)
    return means


def _seconds(path: Path) -> float | None:
    """Wall-clock seconds of a Snakemake benchmark file, None if there is none, or none that can be."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            seconds = float(next(csv.DictReader(stream, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
        return None
    return seconds if 0 < seconds < math.inf else None


def _calibration(ratios: list[float]) -> tuple[float, float]:
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


def _with_seconds(cost: Cost, seconds: float) -> Cost:
    return Cost(seconds, cost.sampled, cost.trained, cost.disk)


def _sum(costs: Iterable[Cost]) -> Cost:
    return sum(costs, start=Cost())
