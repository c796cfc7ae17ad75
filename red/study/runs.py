"""The lines of `runs:`: what each inherits, what it starts from, and its resolved spec for one seed."""

from collections.abc import Collection, Mapping
from typing import Any

from red.engines import engine
from red.errors import ConfigError
from red.methods.base import Method
from red.objective.spec import ObjectiveSpec
from red.plumbing.documents import deep_merge
from red.plumbing.records import closest, from_mapping
from red.training.spec import RunSpec, Training

METHOD_KEYS = frozenset(ObjectiveSpec.__dataclass_fields__) | (frozenset(Method.__dataclass_fields__) - {"objective"})
MODELS = ("of", "vectors", "values", "matrices")  # keys of a line of `derived` that name one
TRAINING_KEYS = frozenset(Training.__dataclass_fields__)
RUN_KEYS = frozenset(RunSpec.__dataclass_fields__) - {
    "run",
    "seed",
    "scale",
    "training",
    "template",
    "overrides",
    "snapshots",
}


def run_seeds(config: Mapping[str, Any], run: str) -> list[int]:
    """Seeds of a run: its own, or those of the document."""
    return list(entry(config, run).get("seeds", config["seeds"]))


def run_spec(
    config: Mapping[str, Any], run: str, seed: int, kept: Mapping[str, Collection[int]] | None = None
) -> RunSpec:
    """A run with its `like` chain and `common` merged in. The result is plain and complete. `kept`: all `snapshots`,
    where somebody has them already."""
    path = f"runs.{run}"
    line = entry(config, run)
    line.pop("seeds", None)
    changed = sorted(TRAINING_KEYS & set(line))
    if changed and not line.get("because"):
        raise ConfigError(f"{path}.because: say why the run has its own {', '.join(changed)}, not that of `common`")
    unknown = set(line) - TRAINING_KEYS - RUN_KEYS - METHOD_KEYS
    if unknown:
        key, keys = sorted(unknown)[0], TRAINING_KEYS | RUN_KEYS | METHOD_KEYS | {"like", "seeds"}
        raise ConfigError(f"{path}.{key}: unknown key{closest(key, sorted(keys))}")
    training = {**config["common"], **{k: line[k] for k in changed}}
    from_mapping(Training, training, path)  # alone first: a message names the key as the line has it
    values = {
        **{k: v for k, v in line.items() if k in RUN_KEYS},
        "run": run,
        "seed": seed,
        "scale": config["scale"],
        "template": config["template"],
        "training": training,
        "cluster": deep_merge(config.get("cluster", {}), line.get("cluster", {})),
        "snapshots": sorted((snapshots(config) if kept is None else kept).get(run, ())),
        "overrides": {k: v for k, v in line.items() if k in METHOD_KEYS},
    }
    spec = from_mapping(RunSpec, values, path)
    engine(spec.training.engine, f"{path}.engine")
    return spec


def snapshots(config: Mapping[str, Any]) -> dict[str, set[int]]:
    """By run: its steps that another run branches from (`init_from: run@step`), or that a derived model is made of."""
    # A line inherits what another one has in writing, so the written ones are enough.
    named = [line["init_from"] for line in config["runs"].values() if line and line.get("init_from")]
    made = config.get("derived", {}).values()
    named += [line[key] for line in made for key in MODELS if line.get(key)]
    found: dict[str, set[int]] = {}
    for parent, step in map(parent_of, named):
        if parent is not None and step is not None:
            found.setdefault(parent, set()).add(step)
    return found


def written(config: Mapping[str, Any], run: str, key: str) -> Any:
    """The value of a key in a run's line or in one that it is like; None if none has it."""
    return entry(config, run).get(key)


def parent_of(init_from: str | None) -> tuple[str | None, int | None]:
    """`"sft@50"` -> ("sft", 50); `"sft"` -> ("sft", None); None -> (None, None): the base model."""
    if init_from is None:
        return None, None
    name, at, step = str(init_from).partition("@")
    if at and not step.isdigit():
        raise ConfigError(f"init_from: {init_from!r}: after @ comes a step number")
    return name, int(step) if at else None


def w_source(config: Mapping[str, Any], run: str) -> str | None:
    """The run whose logged w this run's control schedule reads, None if it is no control."""
    weight = entry(config, run).get("weight") or {}
    return weight.get("source") if isinstance(weight, Mapping) else None


def answer_source(config: Mapping[str, Any], run: str) -> str | None:
    """The run whose right answers this run learns from, None if it learns from the teacher's."""
    redistilled = entry(config, run).get("redistilled") or {}
    return redistilled.get("run") if isinstance(redistilled, Mapping) else None


def needs(config: Mapping[str, Any], run: str) -> dict[str, str]:
    """The other runs that a run waits for, by what it takes from them."""
    parent, _ = parent_of(entry(config, run).get("init_from"))
    sources = {"start": parent, "w": w_source(config, run), "answers": answer_source(config, run)}
    return {what: other for what, other in sources.items() if other is not None}


def entry(config: Mapping[str, Any], run: str) -> dict[str, Any]:
    """A line of `runs:` with everything that `like` gives it; ConfigError on a cycle or an unknown name."""
    return _inherited(config, run, ())


def _inherited(config: Mapping[str, Any], run: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if run in seen:
        raise ConfigError(f"runs.{run}.like: a cycle: {' -> '.join([*seen, run])}")
    if run not in config["runs"]:
        hint = closest(run, config["runs"])
        raise ConfigError(f"runs.{seen[-1] if seen else run}.like: no run named {run!r}{hint}")
    line = dict(config["runs"][run] or {})
    like = line.pop("like", None)
    if like is None:
        return line
    inherited = _inherited(config, like, (*seen, run))
    # A copy belongs to the items that name it, not to those of its original, and is trained as often as it asks for.
    for key in ("label", "items", "row_group", "rate_of", "seeds"):
        inherited.pop(key, None)
    return deep_merge(inherited, line)


def lineage(config: Mapping[str, Any], run: str) -> list[str]:
    """The run, what it is like, what that is like, and so on."""
    entry(config, run)  # a cycle or an unknown name ends here
    chain: list[str] = []
    current: str | None = run
    while current is not None:
        chain.append(current)
        current = (config["runs"][current] or {}).get("like")
    return chain
