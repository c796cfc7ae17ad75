"""Which files the workflow's jobs read. For `<results>` and `<models>` Snakemake puts the folder."""

from collections.abc import Mapping
from typing import Any

from red.study import derived, jobs
from red.study.runs import answer_source, parent_of, run_seeds, w_source

Config = Mapping[str, Any]


def model(name: str) -> str:
    """Folder of a model that no run trains: a base, or `large`."""
    return f"<models>/{name}"


def base(config: Config, seed: int | str) -> str:
    """Folder of the base model that a seed starts from."""
    return model(jobs.base_model(config, seed))


def first_base(config: Config) -> str:
    """Folder of the base model that the corruptions ask, which are made once for all seeds."""
    return base(config, jobs.base_seeds(config)[0])


def checkpoint(config: Config, run: str, seed: int | str) -> str:
    """Folder of a run's trained model; `base` is the run without training."""
    if run == jobs.BASE:
        return base(config, seed)
    return f"<results>/{'derived' if derived.is_derived(config, run) else 'runs'}/{run}/seed{seed}/checkpoint"


def metrics(run: str, seed: int | str) -> str:
    """File with one line per training step of a run."""
    return f"<results>/runs/{run}/seed{seed}/metrics.jsonl"


def parent(config: Config, run: str, seed: int | str) -> str:
    """What a run needs to start: the base model, another run's checkpoint, or the folder of its snapshots."""
    return _made(config, *next(jobs.parents(config, run), (jobs.BASE, None)), seed)


def start(config: Config, run: str, folder: str) -> str:
    """Folder of the model that a run starts from, inside `folder`, its `parent`."""
    _, step = next(jobs.parents(config, run), (jobs.BASE, None))
    return _inside(folder, step)


def sources(config: Config, name: str, seed: int | str) -> dict[str, str]:
    """What a derived model needs, under the names `of` and `donor`, in the way of `parent`."""
    made = derived.line(config, name)
    found = {"of": made.of} | ({"donor": made.donor} if made.donor else {})
    return {key: _made(config, *_named(model), seed) for key, model in found.items()}


def derivation(config: Config, name: str, folders: Mapping[str, str]) -> dict[str, str]:
    """The folders of the models themselves inside of `folders`, its `sources`."""
    made = derived.line(config, name)
    steps = {"of": _named(made.of)[1], "donor": _named(made.donor or made.of)[1]}
    return {key: _inside(folder, steps[key]) for key, folder in folders.items()}


def _named(model: str) -> tuple[str, int | None]:
    name, step = parent_of(model)
    return str(name), step


def _made(config: Config, name: str, step: int | None, seed: int | str) -> str:
    """What a job makes that holds the model: Snakemake knows no folder inside of one that it makes."""
    return checkpoint(config, name, seed) if step is None else f"<results>/runs/{name}/seed{seed}/snapshots"


def _inside(folder: str, step: int | None) -> str:
    return folder if step is None else f"{folder}/step{step}"


def demonstrations(config: Config, run: str, seed: int | str) -> str:
    """File that a run learns from: of the teacher, clean or corrupted, or of another run's model."""
    if answer_source(config, run):
        return f"<results>/data/redistilled/{run}/seed{seed}.jsonl"
    return f"<results>/data/demonstrations/{jobs.corruption(config, run)}.jsonl"


def wrong_responses(config: Config, name: str) -> dict[str, str]:
    """For noisy labels, under the name `wrong_responses`: the file with those of the base."""
    return {"wrong_responses": "<results>/data/wrong_responses.jsonl"} if name in jobs.noisy(config) else {}


def w_log(config: Config, run: str, seed: int | str) -> dict[str, str]:
    """For a control of w, under the name `w_log`: the metrics of the run whose w it reads."""
    source = w_source(config, run)
    return {"w_log": metrics(source, seed)} if source else {}


def teacher(config: Config, run: str) -> dict[str, str]:
    """For a run that distils another model, under the name `teacher`: its folder."""
    name = jobs.distilled(config, run)
    return {"teacher": model(name)} if name else {}


def probed_models(config: Config, run: str, seed: int | str, probe: str) -> dict[str, str]:
    """Folders of what a probe measures beside the checkpoint, by the names that `red probe --model` knows."""
    folders = {"large": model("large"), "base": base(config, seed)}
    if "sft" in config["runs"]:
        seeds = run_seeds(config, "sft")
        folders["sft"] = checkpoint(config, "sft", int(seed) if int(seed) in seeds else seeds[0])
    if run != jobs.BASE:
        folders["parent"] = parent(config, run, seed)
    return {name: folders[name] for name in jobs.probe_models(config, probe)}


def collected(config: Config) -> list[str]:
    """All grades, metrics and probes, from which the three tables are made, and the problems that were asked."""
    problems = [f"<results>/data/benchmarks/{benchmark}.jsonl" for benchmark in config["benchmarks"]]
    grades = [
        f"<results>/evaluations/{run}/seed{seed}/{benchmark}.grades.jsonl"
        for run, seed in jobs.evaluated(config)
        for benchmark in config["benchmarks"]
    ]
    probes = [f"<results>/probes/{run}/seed{seed}/{probe}.parquet" for run, seed, probe in jobs.probed(config)]
    return [*problems, *grades, *(metrics(run, seed) for run, seed in jobs.trained(config)), *probes]
