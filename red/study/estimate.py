"""What a configuration will cost: device-hours, peak device memory, tokens and disk, before it runs.

Formulas (N parameters, tokens as forecast by `resources.lengths`, hardware at what it sustains):

    sampled  = steps x prompts x rollouts x length of a rollout, times what the method adds:
               dynamic sampling 1 / (1 - uninformative), at most its rounds;
               anchor search 1 + failed x log2(episodes)
    trained  = steps x prompts x (rollouts x rollout + demonstrations x demonstration), plus prompts;
               fine-tuning steps add failed x demonstration
               (a teacher: 2 operations per parameter and token that it reads)
    seconds  = sampled / decode rate + 8 N trained / sustained FLOP/s + start-up x devices
               (6 N forward and backward, 2 N recomputed activations; + 2 N with several updates
               per rollout, which need the old log-probabilities, and + 2 N more for a residual, which GVPO measures)
    memory   = 16 N / devices (weights, gradients, master copy and two moments) + 2 N (gathered weights)
               + tokens per forward x layers x hidden x 2 + 12 x the logits of a block of the vocabulary + 2 x a frozen
               teacher, and the sampler's share beside it, or in its place where the two sleep in turn
    answers  = problems x samples x the run's own length, at the rate of a full queue
    disk     = checkpoint and snapshots, b N each, and the lines of metrics; answers, by their tokens and rows; models
               (those of the hub twice, here and in its cache); resume states only while a training runs.
               b, the bytes of a state and the number of states are the engine's (`red.engines.Stored`)
    probes   = rollouts at the rate of a full queue + 2 N operations per token that is read, times the GPUs of the job
               (derived models and `rotation` take processors, seconds at tiny scale: not counted but for their answers)
    wrong responses: rollouts of the base until the largest rate has enough
    re-distillation: one answer to every training prompt

Where the workflow has `benchmark:` files of the same scale, their seconds replace the estimate, and the rest is
scaled by the median ratio of measured to estimated, trainings and evaluations each by their own.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from red.engines import engine
from red.study import derived, jobs
from red.study.resources import STAGES, Cost, Resources, calibration, device_seconds, measured_of, resources_of
from red.study.runs import answer_source, lineage, needs, run_seeds, run_spec
from red.training.spec import RunSpec

GIB = 2.0**30
BYTES_PER_TOKEN_OF_TEXT = 4.5
# Of one step's metrics; of an answer and its verdict beside the text itself; of one measured token of a probe.
BYTES_PER_STEP = 3000.0
BYTES_PER_ANSWER = 400.0
BYTES_PER_TOKEN_OF_PROBE = 16.0
# Of `red.objective.vocabulary` on a GPU: a block, in float32, its exponential and its gradient.
LOGITS_AT_ONCE = 2**26
BYTES_PER_LOGIT = 12.0


@dataclass(frozen=True)
class Row:
    """One run: cost of a seed's training and evaluation, peak memory per device, the disk of its resume states
    while it runs, its GPUs, which of the two costs are measured, and what it is trained for."""

    run: str
    seeds: int
    steps: int
    training: Cost
    evaluation: Cost
    memory: float
    state: float
    gpus: int
    measured: bool
    evaluated: bool
    buys: tuple[str, ...]


@dataclass(frozen=True)
class Purchase:
    """One thing that is paid for, and the items and runs that need it."""

    name: str
    cost: Cost
    buys: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """All runs. What is not measured lies between its forecast / factor and x factor, as far as is known.

    `known` are the keys of section `hardware` that were measured on the device. `others` are neither trained nor
    evaluated: models, wrong responses, probes.
    """

    scale: str
    device: str
    known: tuple[str, ...]
    rows: tuple[Row, ...]
    others: tuple[Purchase, ...]
    alone: Cost
    factor: float
    measured: int
    gpus_per_node: int

    @property
    def training(self) -> Cost:
        """Cost of training all seeds of all runs."""
        return _sum(row.training.times(row.seeds) for row in self.rows)

    @property
    def evaluation(self) -> Cost:
        """Cost of answering all benchmarks with all of them."""
        return _sum(row.evaluation.times(row.seeds) for row in self.rows)

    @property
    def total(self) -> Cost:
        """Cost of training, evaluation and preparation."""
        return self.training + self.evaluation + _sum(one.cost for one in self.others)

    @property
    def purchases(self) -> list[Purchase]:
        """Everything that is paid for, the dearest first."""
        trainings = [
            Purchase(f"training {row.run}, {row.seeds} x {row.steps} steps", row.training.times(row.seeds), row.buys)
            for row in self.rows
            if row.steps
        ]
        evaluations = Purchase("evaluation of all runs", self.evaluation, ("every table of accuracies",))
        return sorted([*trainings, evaluations, *self.others], key=lambda one: -one.cost.seconds)

    @property
    def hours_between(self) -> tuple[float, float]:
        """Device-hours at least and at most: what is measured as it was, the rest with its factor."""
        trained = _sum(row.training.times(row.seeds) for row in self.rows if row.measured)
        evaluated = _sum(row.evaluation.times(row.seeds) for row in self.rows if row.evaluated)
        measured = (trained + evaluated).hours
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
    trained = device_seconds(config, "train", seeds, gpus)
    costs, factor = _calibrated(forecast, trained)
    made = {name: derived.seeds(config, name) for name in config.get("derived", {})}
    evaluated = {jobs.BASE: jobs.base_seeds(config), **seeds, **made}
    answers = {run: evaluation_cost(config, resources, run) for run in evaluated}
    answered = device_seconds(config, "generate", evaluated, dict.fromkeys(evaluated, resources["generate"].gpu))
    answers, _ = _calibrated(answers, answered)
    bases, needed = len(evaluated[jobs.BASE]), _needed_by(config)
    models = [
        resources.shape.of_model(name) * _bytes_of_model(model["source"]) for name, model in jobs.models(config).items()
    ]
    stored = Cost(disk=sum(models) / bases)
    base = Row(jobs.BASE, bases, 0, stored, answers[jobs.BASE], 0, 0, 0, False, jobs.BASE in answered, ())
    rows = [
        Row(
            run,
            len(seeds[run]),
            spec.training.steps,
            costs[run],
            answers[run],
            memory(spec, resources),
            state_bytes(spec, resources),
            gpus[run],
            run in trained,
            run in answered,
            (*(name for name in spec.items if name in config["items"]), *needed.get(run, ())),
        )
        for run, spec in specs.items()
    ]
    rows += [
        Row(name, len(own), 0, _kept(config, name, resources), answers[name], 0, 0, 0, False, name in answered, ())
        for name, own in made.items()
    ]
    return Estimate(
        scale=config["scale"],
        device=resources.hardware.name,
        known=tuple(sorted(measured_of(resources.hardware))),
        rows=(base, *rows),
        others=tuple(_others(config, resources)),
        alone=_alone(config, seeds, costs),
        factor=factor,
        measured=len(trained),
        gpus_per_node=_gpus_per_node(specs.values(), resources),
    )


def _needed_by(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of each run, those that wait for it."""
    needed: dict[str, list[str]] = {}
    for run in (run for run in config["runs"] if run_seeds(config, run)):
        for why, other in needs(config, run).items():
            needed.setdefault(other, []).append(f"{why} of {run}")
    return needed


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
    passes = several * (1 + (method.objective.residual is not None))  # without gradient
    operations = (8 + 2 * passes) * shape.parameters * trained
    read = lengths.rollout + lengths.prompt
    if method.teacher is not None and method.teacher.who == "itself":
        read += lengths.demonstration + lengths.prompt
    operations += 2 * shape.of_teacher(method.teacher) * prompts * rollouts * read
    devices = max(resources.gpus(spec), 1)
    seconds = sampled / _decode_rate(resources) + operations / (hardware.tflops * 1e12)
    checkpoint = engine(training.engine).needs(spec).stored.checkpoint * shape.parameters
    kept = checkpoint * (1 + len(spec.snapshots)) + training.steps * BYTES_PER_STEP
    return Cost(seconds + hardware.startup_s * devices, sampled, trained, kept)


def _kept(config: Mapping[str, Any], name: str, resources: Resources) -> Cost:
    """Of a derived model; a snapshot is only another name."""
    if derived.line(config, name).kind == "snapshot":
        return Cost()
    spec = run_spec(config, derived.run_of(config, name), 0)
    return Cost(disk=engine(spec.training.engine).needs(spec).stored.checkpoint * resources.shape.parameters)


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


def evaluation_cost(config: Mapping[str, Any], resources: Resources, run: str) -> Cost:
    """Cost of answering all benchmarks with one checkpoint of a run, at the length of its own answers."""
    answers = sum(
        _problems(name, entry) * entry["samples"]
        for name, entry in ((n, jobs.benchmark_spec(config, n)) for n in config["benchmarks"])
    )
    sampled = answers * generation_length(config, resources, run)
    start = resources.hardware.startup_s * max(resources["generate"].gpu, 1)
    disk = sampled * BYTES_PER_TOKEN_OF_TEXT + answers * BYTES_PER_ANSWER
    return Cost(sampled / _answer_rate(resources) + start, sampled, 0, disk)


def generation_length(config: Mapping[str, Any], resources: Resources, run: str) -> float:
    """Mean tokens of an answer: the run's own, else that of what it is like, else of its method, else of all."""
    lengths = resources.lengths
    run = derived.run_of(config, run)
    names = () if run == jobs.BASE else (*lineage(config, run), run_spec(config, run, 0).method)
    mean = next((lengths.generation_of[name] for name in names if name in lengths.generation_of), lengths.generation)
    return float(min(mean, config["evaluation"]["max_new_tokens"]))


def memory(spec: RunSpec, resources: Resources) -> float:
    """Peak bytes on one device during training."""
    shape, training = resources.shape, spec.training
    devices = max(resources.gpus(spec), 1)
    tokens = max(training.tokens_per_forward, training.max_prompt_tokens + training.max_new_tokens)
    logits = min(tokens * shape.vocabulary, LOGITS_AT_ONCE)
    activations = tokens * shape.layers * shape.hidden_size * 2 + BYTES_PER_LOGIT * logits
    method = spec.build_method()
    frozen = method.teacher is not None and not method.teacher.is_policy
    teacher = 2 * shape.of_teacher(method.teacher) if frozen else 0.0
    learner = 16 * shape.parameters / devices + 2 * shape.parameters + activations + teacher
    shares = engine(spec.training.engine).needs(spec).reads_cluster and method.mix.rollouts != "none"
    sampler = spec.cluster.vllm_memory * resources.hardware.memory_gib * GIB if shares else 0.0
    both = shares and spec.cluster.colocate and not spec.cluster.sleep
    return learner + sampler if both else max(learner, sampler)


def _bytes_of_model(source: str) -> float:
    """Per parameter: an embedded model in float32, or one of the hub in bfloat16, prepared and in the hub's cache."""
    return 4.0 if source == "embedded" else 2 * 2.0


def _decode_rate(resources: Resources) -> float:
    hardware = resources.hardware
    return hardware.decode_tokens_per_s * hardware.decode_parameters / resources.shape.parameters


def _answer_rate(resources: Resources) -> float:
    """Tokens per second of a device whose queue is full."""
    faster = resources.hardware.answer_tokens_per_s
    return _decode_rate(resources) * (1.0 if faster is None else faster / resources.hardware.decode_tokens_per_s)


def _problems(name: str, entry: Mapping[str, Any]) -> int:
    from red.world.benchmarks import RECIPES

    whole = int(entry["rows"] or (RECIPES[name][0] if name in RECIPES else 200))
    return min(whole, entry["limit"] or whole)


def _others(config: Mapping[str, Any], resources: Resources) -> Iterator[Purchase]:
    """Embedded models, wrong responses for noisy labels, answers for re-distillation, and probes."""
    embedded = sum(model.get("source") == "embedded" for model in jobs.models(config).values())
    if embedded:
        yield Purchase("models", Cost(seconds=embedded * resources.behaviour.pretraining_s), ("every run",))
    if noisy := jobs.noisy(config):
        yield Purchase("wrong responses", wrong_responses_cost(config, resources), tuple(noisy))
    taught = [run for run, _ in jobs.trained(config) if answer_source(config, run)]
    if taught:
        cost = redistilled_cost(resources).times(len(taught))
        yield Purchase(f"answers to learn, {len(taught)} jobs", cost, tuple(dict.fromkeys(taught)))
    probed: dict[str, list[str]] = {}
    for run, _, probe in jobs.probed(config):
        probed.setdefault(probe, []).append(run)
    for probe, runs in probed.items():
        if probe == jobs.ROTATION:
            continue
        cost = probe_cost(config, probe, resources).times(len(runs))
        yield Purchase(f"probe {probe}, {len(runs)} jobs", cost, tuple(dict.fromkeys(runs)))


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
    return Cost(sampled / _answer_rate(resources) + start, sampled)


def redistilled_cost(resources: Resources) -> Cost:
    """One greedy answer to every training prompt."""
    sampled = resources.behaviour.training_prompts * resources.lengths.rollout
    start = resources.hardware.startup_s * max(resources["wrong_responses"].gpu, 1)
    return Cost(sampled / _answer_rate(resources) + start, sampled)


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
    seconds = sampled / _answer_rate(resources) + operations / (resources.hardware.tflops * 1e12)
    return Cost((seconds + resources.hardware.startup_s) * gpus, sampled, 0, sampled * BYTES_PER_TOKEN_OF_PROBE)


def _alone(config: Mapping[str, Any], seeds: Mapping[str, list[int]], costs: Mapping[str, Cost]) -> Cost:
    """Cost if every run had its own copy of the runs it descends from and of the source of its w."""
    total = Cost()
    for run, its_seeds in seeds.items():
        cost = costs[run]
        for parent, step in jobs.parents(config, run):
            share = 1.0 if step is None else step / run_spec(config, parent, 0).training.steps
            cost += costs[parent].times(share)
        for source in {other for what, other in needs(config, run).items() if what != "start"}:
            cost += costs[source]
        total += cost.times(len(its_seeds))
    return total


def _gpus_per_node(specs: Iterable[RunSpec], resources: Resources) -> int:
    """The most that one job asks of one node."""
    of_runs = [-(-resources.gpus(spec) // max(spec.cluster.nodes, 1)) for spec in specs]
    return max([*of_runs, *(resources[stage].gpu for stage in STAGES if stage != "train")])


def _calibrated(forecast: Mapping[str, Cost], measured: Mapping[str, float]) -> tuple[dict[str, Cost], float]:
    """The costs with what was measured, the others scaled, and the factor of their uncertainty."""
    factor, ratio = calibration([measured[run] / forecast[run].seconds for run in measured])
    return {
        run: replace(cost, seconds=measured.get(run, cost.seconds * ratio)) for run, cost in forecast.items()
    }, factor


def _sum(costs: Iterable[Cost]) -> Cost:
    return sum(costs, start=Cost())
