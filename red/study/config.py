"""The configuration: one document, checked once, resolved into one plain spec per run.

Standard library, PyYAML and jsonschema only, so that the workflow and `--help` stay fast.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from red.errors import ConfigError
from red.evaluation.spec import EvaluationSettings
from red.plumbing import tracking
from red.plumbing.documents import MESSAGE, deep_merge, read_yaml
from red.plumbing.records import closest, from_mapping, suggestion
from red.study import derived
from red.study.runs import entry, lineage, needs, parent_of, run_seeds, run_spec, snapshots, w_source
from red.study.sweep import rated, swept
from red.training.spec import RunSpec

MOST = 2**63 - 1  # that the collected tables hold
SOURCED = ("data", "model", "large_model")  # sections with a `source`, or with parts that have one
DROPPABLE = ("benchmarks", "corruptions", "derived", "probes", "rates")
SCHEMA = Path(__file__).parent / "config.schema.yaml"


def load(*paths: Path) -> dict[str, Any]:
    """The configuration of these files, merged deeply, later ones over earlier ones, and checked."""
    document = select(reduce(overlaid, map(read_yaml, paths), {}))
    check(document)
    return document


def overlaid(config: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` over `config`. What it takes from another `source`, data or a model, keeps no key of the one before."""
    kept = {key: _of_source(value, overlay.get(key)) if key in SOURCED else value for key, value in config.items()}
    return deep_merge(kept, overlay)


def _of_source(section: Any, overlay: Any) -> Any:
    if not (isinstance(section, Mapping) and isinstance(overlay, Mapping)):
        return section
    if overlay.get("source", section.get("source")) != section.get("source"):
        return {}
    return {key: _of_source(value, overlay.get(key)) for key, value in section.items()}


def without_old_sources(config: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`config`, which somebody else merged of `documents` key by key, as `overlaid` would have merged them."""
    return _pruned(config, reduce(deep_merge, documents, {}), reduce(overlaid, documents, {}))


def _pruned(config: Mapping[str, Any], merged: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys of `merged` that are not in `right`."""
    return {
        key: _pruned(value, merged[key], right[key])
        if all(isinstance(one, Mapping) for one in (value, merged.get(key), right.get(key)))
        else value
        for key, value in config.items()
        if key in right or key not in merged
    }


def select(config: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what an overlay took away: benchmarks, corruptions, derived models, probes, rates of null.

    `rates` are written into the runs they name. With `only: [run, ...]` those runs, what they start from and learn w
    from, and what is derived from them alone. `like` is resolved, because the runs it names may be gone. With `sweep`
    the runs of the sweep.
    """
    config = {key: _without_nulls(value) if key in DROPPABLE else value for key, value in config.items()}
    if config.keys() & {"rates", "sweep", "only"}:
        check_structure(config)
    if "rates" in config:
        config = rated(config)
    if "sweep" in config:
        config = swept(config)
    if (selected := config.get("only")) is None:
        return config
    kept, waiting = set(), list(selected)
    while waiting:
        run = waiting.pop()
        if run not in config["runs"]:
            raise ConfigError(f"only: no run named {run!r}{closest(run, config['runs'])}")
        if run in selected and not run_seeds(config, run):
            raise ConfigError(f"only: {run} has no seeds here; give it some: runs: {{{run}: {{seeds: [0]}}}}")
        kept.add(run)
        waiting += set(needs(config, run).values()) - kept
    runs = {run: entry(config, run) for run in config["runs"] if run in kept}
    made = derived.selected(config, kept)
    gone = {*config["runs"], *config.get("derived", {})} - kept - made.keys()
    probes = {
        name: {**probe, "runs": [run for run in probe["runs"] if run not in gone]}
        for name, probe in config.get("probes", {}).items()
    }
    return {**config, "runs": runs, "derived": made, "probes": probes}


def _without_nulls(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {name: entry for name, entry in section.items() if entry is not None}


def check(config: Mapping[str, Any]) -> dict[tuple[str, int], RunSpec]:
    """Structure by the schema, then every run with its method; ConfigError on the first fault. Returns the resolved
    runs, by name and seed: also those that are not trained here, with seed 0."""
    check_structure(config)
    from_mapping(EvaluationSettings, config["evaluation"], "evaluation")
    resolved: dict[tuple[str, int], RunSpec] = {}
    specs: dict[str, RunSpec] = {}
    kept = snapshots(config)
    # Originals before their copies, so that a message names the run where the fault stands.
    for run in sorted(config["runs"], key=lambda run: len(lineage(config, run))):
        for seed in run_seeds(config, run) or [0]:  # also what is not trained here
            specs[run] = resolved[run, seed] = run_spec(config, run, seed, kept)
        specs[run].build_method()
        _check_corruption(config, specs[run])
    _check_parents(config, specs)
    derived.check(config)
    _check_weight_sources(config, specs)
    _check_answer_sources(config, specs)
    _check_order(config)
    _check_tracking(config)
    return resolved


def check_structure(config: Mapping[str, Any]) -> None:
    """The schema, and that every value is one that JSON has; ConfigError on the first fault."""
    import jsonschema

    _check_values(config, "")
    # JSON Schema takes 2.0 for an integer; the code does not.
    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict = jsonschema.validators.extend(base, type_checker=types)  # type: ignore[no-untyped-call]
    validator = strict(read_yaml(SCHEMA))
    errors = sorted(validator.iter_errors(config), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        error = errors[0]
        path = [str(part) for part in error.absolute_path]
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            key = next(key for key in error.instance if key not in known)
            raise ConfigError(f"{'.'.join([*path, key])}: unknown key{suggestion(key, known)}"[:MESSAGE])
        rule = error.schema.get("description")  # instead of a pattern, which nobody can read
        message = f"{str(error.instance)[:40]!r} {rule}" if rule else error.message
        if error.validator == "enum" and isinstance(error.instance, str):
            message += closest(error.instance, error.validator_value)
        raise ConfigError(f"{'.'.join(path) or 'the top level'}: {message.splitlines()[0][:MESSAGE]}")


def _check_values(value: Any, path: str) -> None:
    """Texts, numbers, true, false and null only: a date or a NaN in YAML would fail much later."""
    where = path or "the top level"
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not isinstance(key, str):
                raise ConfigError(f"{where}: key {key!r} must be a text; quote it")
            _check_values(below, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for index, below in enumerate(value):
            _check_values(below, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: must be a finite number")
    elif isinstance(value, int) and abs(value) > MOST:
        raise ConfigError(f"{where}: is beyond the largest number, 2^63 - 1")
    elif isinstance(value, str) and not _is_text(value):
        raise ConfigError(f"{where}: {value[:40]!r} holds control characters")
    elif not isinstance(value, (str, int, float, type(None))):
        raise ConfigError(f"{where}: {value!r} is read as a {type(value).__name__}; quote it")


def _is_text(value: str) -> bool:
    """Whether it can be written to files and logs: no control characters but line ends and tabs."""
    return not any(unicodedata.category(c) in ("Cc", "Cs") for c in value if c not in "\n\t")


def _check_corruption(config: Mapping[str, Any], spec: RunSpec) -> None:
    names = ["clean", *config.get("corruptions", {})]
    if spec.corruption not in names:
        raise ConfigError(f"runs.{spec.run}.corruption: {spec.corruption!r} is not one of {', '.join(names)}")


def _check_tracking(config: Mapping[str, Any]) -> None:
    names = tracking.names()
    for name in config.get("tracking", []):
        if name not in names:
            raise ConfigError(f"tracking: {name!r} is not one of {', '.join(names)}")


def _check_parents(config: Mapping[str, Any], specs: Mapping[str, RunSpec]) -> None:
    for run, spec in specs.items():
        parent, step = parent_of(spec.init_from)
        if parent is None:
            continue
        path = f"runs.{run}.init_from"
        if parent not in config["runs"]:
            raise ConfigError(f"{path}: no run named {parent!r}{closest(parent, config['runs'])}")
        steps = specs[parent].training.steps
        if step is not None and not 0 < step < steps:
            raise ConfigError(f"{path}: step {step} is not inside {parent}'s {steps} steps")
        _check_seeds(config, run, parent)


def _check_weight_sources(config: Mapping[str, Any], specs: Mapping[str, RunSpec]) -> None:
    for run, spec in specs.items():
        source, path = w_source(config, run), f"runs.{run}.weight.source"
        needs = spec.build_method().objective.weight.kind
        if needs in ("mean_of", "resampled_from") and source is None:
            raise ConfigError(f"{path}: {needs} needs the name of a run")
        if source is None:
            continue
        if source not in config["runs"] or source == run:
            raise ConfigError(f"{path}: no other run named {source!r}{closest(source, config['runs'])}")
        if w_source(config, source) is not None:
            raise ConfigError(f"{path}: {source!r} is itself a control")
        _check_seeds(config, run, source)


def _check_answer_sources(config: Mapping[str, Any], specs: Mapping[str, RunSpec]) -> None:
    for run, spec in specs.items():
        if spec.redistilled is None:
            continue
        source, path = spec.redistilled.run, f"runs.{run}.redistilled"
        if source not in config["runs"] or source == run:
            raise ConfigError(f"{path}.run: no other run named {source!r}{closest(source, config['runs'])}")
        if spec.corruption != "clean":
            raise ConfigError(f"{path}: its demonstrations are the answers of {source}; leave corruption out")
        _check_seeds(config, run, source)


def _check_seeds(config: Mapping[str, Any], run: str, source: str) -> None:
    missing = set(run_seeds(config, run)) - set(run_seeds(config, source))
    if missing:
        raise ConfigError(f"runs.{run}.seeds: {source} is not trained with seed {min(missing)}")


def _check_order(config: Mapping[str, Any]) -> None:
    """No run may wait for itself, through what runs start from, whose w they read and whose answers they learn."""

    def visit(run: str, chain: tuple[str, ...]) -> None:
        if run in chain:
            cycle = " -> ".join((*chain[chain.index(run) :], run))
            raise ConfigError(f"runs.{chain[-1]}.init_from: a cycle: {cycle}")
        if run not in visited:
            for source in needs(config, run).values():
                visit(source, (*chain, run))
            visited.add(run)

    visited: set[str] = set()
    for run in config["runs"]:
        visit(run, ())
