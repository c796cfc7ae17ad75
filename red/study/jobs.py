"""What a configuration asks for: trainings, evaluations, probes, and the plain spec of each stage.

The workflow, `estimate`, `doctor`, `status` and `collect` all read it here, so they agree. Standard
library only. Presentation (labels, row groups, items) never enters a spec: relabelling reruns nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from red.data.sources import PromptsSpec, source
from red.engines import engine
from red.errors import ConfigError
from red.evaluation.catalog import EMBEDDED, HELD_OUT, Benchmark, benchmark
from red.methods import method
from red.plumbing.documents import deep_merge
from red.plumbing.records import closest, from_mapping, to_mapping
from red.study import derived
from red.study.resources import resources_of
from red.study.runs import parent_of, run_seeds, run_spec, written
from red.training.spec import RunSpec, Training
from red.world.benchmarks import size

BASE = derived.BASE
CLEAN = "clean"
ROTATION = "rotation"  # the probe without prompts, which has a command and a rule of its own
PRESENTATION = ("label", "row_group", "items", "because", "rate_of")
PROBE_MODELS = {"entropy": ("parent",), "confidence": ("large",), "tokens": ("base", "sft"), ROTATION: ("parent",)}

Config = Mapping[str, Any]


def check(config: Config) -> None:
    """What `red.study.config.check` leaves open: data, models, probes, benchmarks, reserved names.

    ConfigError names the key.
    """
    if BASE in config["runs"]:
        raise ConfigError(f"runs.{BASE}: reserved for the base model")
    for probe, entry in config.get("probes", {}).items():
        if probe not in PROBE_MODELS:
            raise ConfigError(f"probes.{probe}: unknown; one of {', '.join(PROBE_MODELS)}")
        for run in entry["runs"]:
            if run != BASE and run not in config["runs"] and not derived.is_derived(config, run):
                raise ConfigError(f"probes.{probe}.runs: no run named {run!r}{closest(run, config['runs'])}")
            if run == BASE and "parent" in PROBE_MODELS[probe]:
                raise ConfigError(f"probes.{probe}.runs: {BASE} has no start that {probe} could compare it with")
    for name in config["benchmarks"]:
        problems_spec(config, name)
    known = models(config)
    for run in dict.fromkeys(run for run, _ in trained(config)):
        if (model := distilled(config, run)) is not None and model not in known:
            raise ConfigError(f"runs.{run}: learns from another model; name one under teacher_model")
    _check_products(config)


def _check_scale(config: Config) -> None:
    """Captions say of the scale `tiny` that its world is generated."""
    sources = {"model": config["model"], **{f"data.{name}": part for name, part in config["data"].items()}}
    for path, section in sources.items():
        if config["scale"] == "tiny" and section["source"] != "embedded":
            raise ConfigError(
                f"scale: tiny is the generated world, and {path}.source is {section['source']!r}; give your study a "
                "name of its own, for instance `scale: mine`"
            )


def _check_products(config: Config) -> None:
    """ConfigError for a slip in a spec of `red data`, which would else wait for its job."""
    from red.data import corruption as corruptions
    from red.data.demonstrations import CorruptionSpec
    from red.models.prepare import PreparedModel
    from red.world.spec import EmbeddedModel, World

    from_mapping(World, config.get("world", {}), "world")
    from_mapping(World, demonstrations_spec(config).get("world", {}), "data.demonstrations.world")
    _prompts(config)
    source(config["data"]["demonstrations"]["source"], "data.demonstrations.source")
    model_records: dict[str, type] = {"embedded": EmbeddedModel, "hub": PreparedModel}
    for name, model in models(config).items():
        path = f"{name}_model" if name in ("large", "teacher") else "model"
        if model["source"] not in model_records:
            raise ConfigError(f"{path}.source: {model['source']!r} is unknown; one of {', '.join(model_records)}")
        from_mapping(model_records[model["source"]], model, path)
    _check_scale(config)
    for name, entry in config.get("corruptions", {}).items():
        from_mapping(CorruptionSpec, corruption_spec(config, name), f"corruptions.{name}")
        try:
            corruptions.named(entry["function"])
        except ConfigError as error:
            raise ConfigError(f"corruptions.{name}.function: {error}") from None


def results(config: Config) -> Path:
    """Folder of the results of this scale."""
    return Path(config.get("pathvars", {}).get("results", "results"))


def models_folder(config: Config) -> Path:
    """Folder of the models that no run trains; studies whose bases are the same may share it."""
    own = config.get("pathvars", {}).get("models")
    return Path(own) if own else results(config) / "models"


def trained(config: Config) -> list[tuple[str, int]]:
    """Every (run, seed) that is trained, each once, in the order of the configuration."""
    return [(run, seed) for run in config["runs"] for seed in run_seeds(config, run)]


def evaluated(config: Config) -> list[tuple[str, int]]:
    """The base models, everything trained, and what is made of it."""
    return [*((BASE, seed) for seed in base_seeds(config)), *trained(config), *derived.derived(config)]


def probed(config: Config) -> list[tuple[str, int, str]]:
    """Every (run, seed, probe) that is measured."""
    seeds: dict[str, list[int]] = {}
    for run, seed in evaluated(config):
        seeds.setdefault(run, []).append(seed)
    return [
        (run, seed, probe)
        for probe, entry in config.get("probes", {}).items()
        for run in entry["runs"]
        for seed in seeds.get(run, ())
    ]


def base_seeds(config: Config) -> list[int]:
    """Seeds of the base models: where each seed has its own, those of the runs; else 0 alone."""
    return sorted({seed for _, seed in trained(config)}) if _own_bases(config) else [0]


def base_model(config: Config, seed: int | str) -> str:
    """Name of the base model that a seed starts from."""
    return f"{BASE}_seed{seed}" if _own_bases(config) else BASE


def _own_bases(config: Config) -> bool:
    """Whether each seed has its own base model: one of the tiny world whose `seed` is left open."""
    return config["model"]["source"] == "embedded" and config["model"].get("seed") is None


def models(config: Config) -> dict[str, Any]:
    """Prepared models by folder name: the bases, the large one and the teacher where there is one."""
    base = config["model"]
    bases = {BASE: base}
    if _own_bases(config):
        bases = {base_model(config, seed): {**base, "seed": seed} for seed in base_seeds(config)}
    others = {"large": config.get("large_model"), "teacher": config.get("teacher_model")}
    sections = bases | {name: section for name, section in others.items() if section}
    return {name: _of_world(config, section) for name, section in sections.items()}


def distilled(config: Config, run: str) -> str | None:
    """The model whose log-probabilities a run learns from: that of `teacher_model`, else the large one."""
    changed = written(config, run, "teacher")
    teacher = method(written(config, run, "method"), {"teacher": changed} if changed else None).teacher
    if teacher is None or teacher.who != "model":
        return None
    return "teacher" if config.get("teacher_model") else "large"


def training_spec(resolved: RunSpec) -> dict[str, Any]:
    """What `red train` gets: the resolved run without its presentation.

    An engine that does not read the section `cluster` does not get it.
    """
    needs = engine(resolved.training.engine).needs(resolved)
    unused = PRESENTATION if needs.reads_cluster else (*PRESENTATION, "cluster")
    return {key: value for key, value in to_mapping(resolved).items() if key not in unused}


def parents(config: Config, run: str) -> Iterator[tuple[str, int | None]]:
    """The runs that `run` descends from, nearest first, with the snapshot taken (None: the end). What is derived
    descends from what its run does."""
    run = derived.run_of(config, run)
    while run != BASE:
        parent, step = parent_of(written(config, run, "init_from"))
        if parent is None:
            return
        yield parent, step
        run = parent


def corruption(config: Config, run: str) -> str:
    """Name of the demonstrations that a run learns from; the base is measured on the clean ones."""
    return CLEAN if run == BASE else written(config, run, "corruption") or CLEAN


def prompts_spec(config: Config) -> dict[str, Any]:
    """What `red data prompts` gets."""
    return _of_world(config, config["data"]["prompts"])


def _prompts(config: Config) -> PromptsSpec:
    prompts = prompts_spec(config)
    return from_mapping(source(prompts["source"], "data.prompts.source").PromptsSpec, prompts, "data.prompts")


def demonstrations_spec(config: Config) -> dict[str, Any]:
    """What `red data demonstrations` gets."""
    spec = _of_world(config, config["data"]["demonstrations"])
    return {key: value for key, value in spec.items() if key != "samples"}


def corruption_spec(config: Config, name: str) -> dict[str, Any]:
    """What `red data corruption` gets; `name` is a key of `corruptions`."""
    entry = dict(config["corruptions"][name])
    entry["corruption"] = entry.pop("function")
    return {**_seed_of_demonstrations(config), **entry}


def wrong_responses_spec(config: Config) -> dict[str, Any]:
    """What `red data wrong_responses` gets: one sampling for the largest rate that a run learns from."""
    samples = config["data"]["demonstrations"].get("samples")
    return {
        **_seed_of_demonstrations(config),
        **({} if samples is None else {"samples": samples}),
        "template": config["template"],
        "backend": config["evaluation"]["backend"],
        "rate": max((config["corruptions"][name]["rate"] for name in noisy(config)), default=0.0),
    }


def redistilled_spec(config: Config, run: str) -> dict[str, Any]:
    """What `red data redistilled` gets for the run that learns from the answers."""
    resolved = run_spec(config, run, 0)
    assert resolved.redistilled is not None, run
    limits = {key: getattr(resolved.training, key) for key in ("max_prompt_tokens", "max_new_tokens")}
    how = {"template": config["template"], "backend": config["evaluation"]["backend"]}
    return {**limits, **how, "count": resolved.redistilled.count}


def noisy(config: Config) -> list[str]:
    """The corruptions that need wrong responses and that a run learns from."""
    used = {corruption(config, run) for run in config["runs"]}
    return [
        name
        for name, entry in config.get("corruptions", {}).items()
        if name in used and entry["function"] == "noisy_labels"
    ]


def _seed_of_demonstrations(config: Config) -> dict[str, Any]:
    seed = config["data"]["demonstrations"].get("seed")
    return {} if seed is None else {"seed": seed}


def _without_nulls(section: Mapping[str, Any]) -> dict[str, Any]:
    """An overlay that changes the source takes away a key of the old source by `null`."""
    return {key: value for key, value in section.items() if value is not None}


def _of_world(config: Config, section: Mapping[str, Any]) -> dict[str, Any]:
    """What the tiny world makes is told its knobs; those of the section itself go before."""
    knobs = {"world": config["world"]} if section["source"] == "embedded" and config.get("world") else {}
    return deep_merge(knobs, _without_nulls(section))


def benchmark_spec(config: Config, name: str) -> dict[str, Any]:
    """A benchmark with everything that the catalog knows of it."""
    spec = to_mapping(_benchmark(config, name))
    return {key: value for key, value in spec.items() if key not in ("name", *PRESENTATION)}


def _benchmark(config: Config, name: str) -> Benchmark:
    """One of the tiny world knows how many problems that makes of it."""
    entry = config["benchmarks"][name]
    return benchmark(name, {"rows": size(name), **entry} if entry["source"] == EMBEDDED else entry)


def problems_spec(config: Config, name: str) -> dict[str, Any]:
    """What `red data benchmark` gets: for held-out questions also the spec of these prompts."""
    spec = benchmark_spec(config, name)
    if spec["source"] != HELD_OUT:
        return spec
    if spec["rows"] is None:
        raise ConfigError(f"benchmarks.{name}.rows: how many questions to hold out")
    return {**spec, "prompts": _without_nulls(to_mapping(_prompts(config).held_out(spec["rows"])))}


def benchmark_files(config: Config, name: str) -> list[str]:
    """The local file that a benchmark is made from, if it is made from one."""
    spec = benchmark_spec(config, name)
    return [f"{spec['data_dir']}/{spec['file']}"] if spec["data_dir"] and spec["file"] else []


def generation_spec(config: Config) -> dict[str, Any]:
    """What `red generate` gets, but for the run and the seed: all benchmarks for one checkpoint."""
    settings = {key: value for key, value in config["evaluation"].items() if key != "workers"}
    return {
        "template": config["template"],
        "evaluation": settings,
        "benchmarks": {name: benchmark_spec(config, name) for name in config["benchmarks"]},
    }


def grading_spec(config: Config) -> dict[str, Any]:
    """What `red grade` gets."""
    return {"benchmarks": {name: benchmark_spec(config, name) for name in config["benchmarks"]}}


def probe_spec(config: Config, run: str, probe: str) -> dict[str, Any]:
    """What `red probe` gets, or `red rotation`; prompts are drawn from one seed, so that all runs see the same ones."""
    seed, step = config["evaluation"].get("seed", 0), 0 if run == BASE else derived.step_of(config, run)
    if probe == ROTATION:
        return {"probe": probe, "seed": seed, "step": step}
    entry = {key: value for key, value in config["probes"][probe].items() if key not in ("runs", "gpu")}
    training = from_mapping(Training, config["common"], "common")
    limits = {key: getattr(training, key) for key in ("max_prompt_tokens", "max_new_tokens")}
    how = {"seed": seed, "backend": config["evaluation"]["backend"]}
    return {"probe": probe, "template": config["template"], "step": step, **how, **limits, **entry}


def probe_gpus(config: Config, probe: str) -> int:
    """GPUs of one job of a probe: its own number, else that of the stage."""
    return int(config["probes"][probe].get("gpu", resources_of(config)["probe"].gpu))


def probe_models(config: Config, probe: str) -> list[str]:
    """The other models that a probe measures, by the names that `red probe --model` knows."""
    exists = {"large": bool(config.get("large_model")), "sft": "sft" in config["runs"]}
    return [name for name in PROBE_MODELS[probe] if exists.get(name, True)]


def collect_spec(config: Config, resolved: Mapping[tuple[str, int], RunSpec] | None = None) -> dict[str, Any]:
    """What `red collect` gets: every run that should be there, with how the tables present it. `resolved` holds the
    runs where somebody has them already."""
    runs = [_collected(config, run, seed, (resolved or {}).get((run, seed))) for run, seed in evaluated(config)]
    known = {name: _benchmark(config, name) for name in config["benchmarks"]}
    benchmarks = [
        {
            "benchmark": name,
            "label": one.title,
            "group": one.group,
            "metric": one.metric,
            "source": one.source,
            "samples": one.samples,
            "problems": one.problems,
        }
        for name, one in known.items()
    ]
    probes = {
        probe: {"runs": entry["runs"], "prompts": entry.get("prompts"), "models": probe_models(config, probe)}
        for probe, entry in config.get("probes", {}).items()
    }
    return {"runs": runs, "benchmarks": benchmarks, "probes": probes}


def _collected(config: Config, run: str, seed: int, resolved: RunSpec | None) -> dict[str, Any]:
    """How one (run, seed) is presented, and the spec that says what it is."""
    if run == BASE:
        presentation = {
            "method": BASE,
            "label": "Base",
            "row_group": "single",
            "items": [],
            "family": "common",
            **config.get(BASE, {}),
            "steps": 0,
        }
        spec = {
            "run": BASE,
            "seed": seed,
            "method": BASE,
            "scale": config["scale"],
            "model": models(config)[base_model(config, seed)],
        }
    elif derived.is_derived(config, run):
        made = derived.line(config, run)
        presentation = {"method": derived.METHOD, "label": made.label or run, "items": list(made.items), "steps": 0}
        spec = {"method": derived.METHOD, **derived.spec(config, run, seed)}
    else:
        resolved = resolved or run_spec(config, run, seed)
        presentation = {name: to_mapping(getattr(resolved, name)) for name in ("method", "family", *PRESENTATION)}
        presentation |= {"label": resolved.label or run, "steps": resolved.training.steps}
        spec = training_spec(resolved)
    study = {"study": config["study"]} if "study" in config else {}
    parameters = resources_of(config).shape.parameters
    about = {"run": run, "seed": seed, "scale": config["scale"], "parameters": parameters}
    return {**about, **presentation, **study, "spec": spec}
