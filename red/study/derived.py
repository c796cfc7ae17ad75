"""The section `derived`: models made of others, which are evaluated and probed like runs, but never trained.

    sft_early:   {of: sft@20}               the model of a run after a step, as it is
    sft_vectors: {of: sft, vectors: base}   its q, k, v and down projections with the singular vectors of another model
    sft_values:  {of: sft, values: sft@20}  the same with the singular values
    sft_base:    {of: sft, matrices: base}  the same with both, so with these projections whole
    sft_null:    {null_of: sft_vectors}     that run's model with a random change as large as the one of `sft_vectors`

How they are made: `red.models.surgery`. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from red.errors import ConfigError
from red.plumbing.records import closest, from_mapping
from red.ranges import Natural
from red.study.runs import MODELS, parent_of, run_seeds, run_spec

BASE = "base"
METHOD = "derived"  # in the place of a method, in tables

Config = Mapping[str, Any]
_, *CHANGES = MODELS


@dataclass(frozen=True)
class Derived:
    """One line, with what `null_of` leaves open filled in. `of` and what is changed name a model: `run`, or
    `run@step`; the latter may be `base`. Without `seeds`: those of the run of `of`."""

    of: str = ""
    vectors: str | None = None
    values: str | None = None
    matrices: str | None = None
    null_of: str | None = None
    label: str = ""
    items: tuple[str, ...] = ()
    seeds: tuple[Natural, ...] | None = None

    @property
    def kind(self) -> str:
        """As in `red.models.surgery.Derivation`."""
        return "null" if self.null_of else next((kind for kind in CHANGES if getattr(self, kind)), "snapshot")

    @property
    def donor(self) -> str | None:
        """Name of the model that the change is taken from, or whose size it has."""
        return self.null_of or next((model for kind in CHANGES if (model := getattr(self, kind))), None)

    @property
    def sources(self) -> list[str]:
        """The models that have to be there."""
        return [name for name in (self.of, self.donor) if name]


def line(config: Config, name: str) -> Derived:
    """A line of the section."""
    made = from_mapping(Derived, config["derived"][name], f"derived.{name}")
    if not made.null_of:
        return made
    changed = from_mapping(Derived, config["derived"][made.null_of], f"derived.{made.null_of}")
    return from_mapping(Derived, {**config["derived"][name], "of": changed.of}, f"derived.{name}")


def derived(config: Config) -> list[tuple[str, int]]:
    """Every (name, seed), in the order of the configuration."""
    return [(name, seed) for name in config.get("derived", {}) for seed in seeds(config, name)]


def seeds(config: Config, name: str) -> list[int]:
    """Seeds of one: its own, or those of what it is made of."""
    made = line(config, name)
    if made.seeds is not None:
        return list(made.seeds)
    return seeds(config, made.null_of) if made.null_of else run_seeds(config, run_of(config, name))


def is_derived(config: Config, name: str) -> bool:
    """Whether a name is one of the section."""
    return name in config.get("derived", {})


def run_of(config: Config, name: str) -> str:
    """The run whose model it is, changed or not; a run is its own."""
    return str(parent_of(line(config, name).of)[0]) if is_derived(config, name) else name


def step_of(config: Config, name: str) -> int:
    """Steps that its model was trained for, in that run."""
    run, step = parent_of(line(config, name).of) if is_derived(config, name) else (name, None)
    return run_spec(config, str(run), 0).training.steps if step is None else step


def selected(config: Config, runs: set[str]) -> dict[str, Any]:
    """The lines for which these runs are enough."""
    kept: dict[str, Any] = {}
    for name, entry in config.get("derived", {}).items():
        named = [entry.get(key) for key in MODELS]
        if {parent_of(model)[0] for model in named if model} <= runs | {BASE}:
            kept[name] = entry
    return {name: entry for name, entry in kept.items() if entry.get("null_of") in (None, *kept)}


def spec(config: Config, name: str, seed: int) -> dict[str, Any]:
    """What `red derive` gets: a `red.models.surgery.Derivation`."""
    made = line(config, name)
    about = {"run": name, "seed": seed, "scale": config["scale"], "of": made.of, "step": step_of(config, name)}
    return {**about, "kind": made.kind, "donor": made.donor}


def check(config: Config) -> None:
    """ConfigError for a line that names no model, or a model that is not there for its seeds."""
    for name, entry in config.get("derived", {}).items():
        path = f"derived.{name}"
        if name in config["runs"] or name == BASE:
            raise ConfigError(f"{path}: {'the base' if name == BASE else 'a run'} has this name; take another one")
        _check_keys(config, entry, path)
        made = line(config, name)
        if parent_of(made.of)[0] == BASE:
            raise ConfigError(f"{path}.of: name a run; the base is what it starts from")
        if made.donor == made.of:
            raise ConfigError(f"{path}.{made.kind}: {made.of} is the model itself; nothing would change")
        models = {key: model for key in MODELS if (model := getattr(made, key))}
        for key, model in models.items():
            _check_model(config, model, f"{path}.{key}")
        for source in (*(parent_of(model)[0] for model in models.values()), made.null_of):
            _check_seeds(config, name, source)


def _check_keys(config: Config, entry: Mapping[str, Any], path: str) -> None:
    given = [key for key in ("of", "null_of") if key in entry]
    if len(given) != 1:
        raise ConfigError(f"{path}: give `of`, the model that it is made of, or `null_of`, and not both")
    changes = [key for key in CHANGES if key in entry]
    if len(changes) > ("of" in entry):
        raise ConfigError(f"{path}.{changes[-1]}: one change at a time, and none beside null_of")
    if (restored := entry.get("null_of")) is None:
        return
    lines = config["derived"]
    if restored not in lines:
        raise ConfigError(f"{path}.null_of: no line derived.{restored}{closest(restored, lines)}")
    if not lines[restored].keys() & set(CHANGES):
        raise ConfigError(f"{path}.null_of: derived.{restored} restores none of {', '.join(CHANGES)}")


def _check_model(config: Config, model: str, path: str) -> None:
    if model == BASE:
        return
    run, step = parent_of(model)
    if run is None or run not in config["runs"]:
        raise ConfigError(f"{path}: no run named {run!r}{closest(str(run), config['runs'])}")
    steps = run_spec(config, run, 0).training.steps
    if step is not None and not 0 < step < steps:
        raise ConfigError(f"{path}: step {step} is not inside {run}'s {steps} steps; its last model is {run!r}")


def _check_seeds(config: Config, name: str, source: str | None) -> None:
    if source in (None, BASE):
        return
    there = seeds(config, source) if is_derived(config, source) else run_seeds(config, source)
    if missing := set(seeds(config, name)) - set(there):
        raise ConfigError(f"derived.{name}.seeds: {source} has no seed {min(missing)}")
