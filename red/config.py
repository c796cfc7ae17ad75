"""The configuration: one document, checked once, resolved into one plain spec per run.

Standard library, PyYAML and jsonschema only, so that the workflow and `--help` stay fast.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from red import methods
from red.errors import ConfigError
from red.methods.base import Method
from red.objective.spec import ObjectiveSpec
from red.records import from_mapping

SCHEMA = Path(__file__).parent / "config.schema.yaml"
NAME = re.compile(r"[a-z0-9_]+")
MESSAGE = 240  # characters of another library's message that are shown
METHOD_KEYS = frozenset(ObjectiveSpec.__dataclass_fields__) | (frozenset(Method.__dataclass_fields__) - {"objective"})


@dataclass(frozen=True)
class Training:
    """What must be equal for a fair comparison (section 0.6). Lengths in tokens.

    `updates_per_rollout` splits the prompts of a step into that many optimizer steps.
    `warmup` is the share of the steps with a rising learning rate.
    """

    engine: Literal["local", "openrlhf"]
    steps: int
    prompts_per_step: int
    group_size: int
    max_new_tokens: int
    lr: float
    lr_schedule: Literal["linear", "constant", "cosine"] = "linear"
    lr_floor: float = 0.0
    warmup: float = 0.0
    max_prompt_tokens: int = 1024
    updates_per_rollout: int = 1
    temperature: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    tokens_per_forward: int = 8192
    cosine_every: int = 0
    entropy_every: int = 0


@dataclass(frozen=True)
class Cluster:
    """Hardware of one OpenRLHF training; counts are per run. The local engine ignores it.

    ZeRO 1 stops at a gradient of zero, as a step without any right or any wrong answer has.
    """

    nodes: int = 1
    policy_gpus: int = 4
    rollout_engines: int = 4
    tensor_parallel: int = 1
    colocate: bool = True
    zero_stage: Literal[2, 3] = 2
    offload_optimizer: bool = False
    micro_batch: int = 1
    packing: bool = True
    attention: str = "flash_attention_2"
    gradient_checkpointing: bool = True
    vllm_memory: float = 0.6
    state_minutes: float = 20.0
    graders: int = 8


@dataclass(frozen=True)
class RunSpec:
    """One trained thing: a line of `runs:` with everything it inherits, for one seed."""

    run: str
    seed: int
    scale: str
    method: str
    training: Training
    template: str
    family: Literal["common", "published"] = "common"
    label: str = ""
    row_group: str = ""
    experiments: tuple[str, ...] = ()
    corruption: str = "clean"
    init_from: str | None = None
    snapshots: tuple[int, ...] = ()
    because: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=Cluster)

    def build_method(self) -> Method:
        """The method with this run's overrides, its lengths in tokens."""
        found = methods.method(self.method, self.overrides, f"runs.{self.run}")
        aggregation = found.objective.aggregation.resolved(self.training.max_new_tokens)
        return replace(found, objective=replace(found.objective, aggregation=aggregation))


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


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML mapping. Aliases are refused, because they can explode, and so are repeated keys."""
    import yaml

    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        _check_nodes(node, str(path))
        document = None if node is None else loader.construct_document(node)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML: {first[:MESSAGE]}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping at the top")
    return document


def _check_nodes(root: Any, path: str) -> None:
    """Every node once, every key of a mapping once; ConfigError names the line."""
    import yaml

    seen: set[int] = set()
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        where = f"{path}: line {node.start_mark.line + 1}"
        if id(node) in seen:
            raise ConfigError(f"{where}: YAML aliases (*name) are not allowed; write it out")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            keys = Counter(str(key.value) for key, _ in node.value)
            repeated = [key for key, count in keys.items() if count > 1]
            if repeated:
                raise ConfigError(f"{where}: key {repeated[0]!r} occurs twice")
            waiting += [part for pair in node.value for part in pair]


def load(*paths: Path) -> dict[str, Any]:
    """The documents merged deeply, later ones over earlier ones, and checked."""
    document: dict[str, Any] = {}
    for path in paths:
        document = deep_merge(document, read_yaml(path))
    document = select(document)
    check(document)
    return document


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; anything else in `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = deep_merge(result[key], value) if both else value
    return result


def select(config: Mapping[str, Any]) -> dict[str, Any]:
    """With `only: [run, ...]` the document of those runs, what they start from and learn w from.

    `like` is resolved, because the runs it names may be gone. Without `only` nothing changes.
    """
    if (wanted := config.get("only")) is None:
        return dict(config)
    check_structure(config)
    kept, waiting = set(), list(wanted)
    while waiting:
        run = waiting.pop()
        if run not in config["runs"]:
            raise ConfigError(f"only: no run named {run!r}")
        kept.add(run)
        needed = {parent_of(_entry(config, run, ()).get("init_from"))[0], weight_source(config, run)}
        waiting += needed - kept - {None}
    runs = {run: _entry(config, run, ()) for run in config["runs"] if run in kept}
    probes = {
        name: {**probe, "runs": [run for run in probe["runs"] if run in kept or run not in config["runs"]]}
        for name, probe in config.get("probes", {}).items()
    }
    return {**config, "runs": runs, "probes": probes}


def check(config: Mapping[str, Any]) -> None:
    """Structure by the schema, then every run with its method; ConfigError on the first fault."""
    check_structure(config)
    # Originals before their copies, so that a message names the run where the fault stands.
    for run in sorted(config["runs"], key=lambda run: len(_lineage(config, run))):
        for seed in run_seeds(config, run):
            spec = run_spec(config, run, seed)
        _check_group(spec)
        _check_corruption(config, run)
    _check_parents(config)
    _check_weight_sources(config)
    _check_order(config)


def check_structure(config: Mapping[str, Any]) -> None:
    """The schema, and that every value is one that JSON has; ConfigError on the first fault."""
    import jsonschema
    import yaml

    _check_values(config, "")
    # JSON Schema takes 2.0 for an integer; the code does not.
    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    validator = jsonschema.validators.extend(base, type_checker=types)(yaml.safe_load(SCHEMA.read_text()))
    errors = sorted(validator.iter_errors(config), key=lambda e: (len(e.path), str(e.path)))
    if errors:
        error = errors[0]
        path = ".".join(str(part) for part in error.absolute_path) or "the top level"
        raise ConfigError(f"{path}: {error.message.splitlines()[0][:MESSAGE]}")


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
    elif isinstance(value, str) and not _is_text(value):
        raise ConfigError(f"{where}: {value[:40]!r} holds control characters")
    elif not isinstance(value, (str, int, float, type(None))):
        raise ConfigError(f"{where}: {value!r} is read as a {type(value).__name__}; quote it")


def _is_text(value: str) -> bool:
    """Whether it can be written to files and logs: no control characters but line ends and tabs."""
    return not any(unicodedata.category(c) in ("Cc", "Cs") for c in value if c not in "\n\t")


def run_seeds(config: Mapping[str, Any], run: str) -> list[int]:
    """Seeds of a run: its own, or those of the document."""
    return list(_entry(config, run, ()).get("seeds", config["seeds"]))


def run_spec(config: Mapping[str, Any], run: str, seed: int) -> RunSpec:
    """A run with its `like` chain and `common` merged in. The result is plain and complete."""
    path = f"runs.{run}"
    entry = _entry(config, run, ())
    entry.pop("seeds", None)
    changed = sorted(TRAINING_KEYS & set(entry))
    if changed and not entry.get("because"):
        raise ConfigError(f"{path}.because: say why {', '.join(changed)} differ from `common`")
    unknown = set(entry) - TRAINING_KEYS - RUN_KEYS - METHOD_KEYS
    if unknown:
        known = TRAINING_KEYS | RUN_KEYS | METHOD_KEYS | {"like", "seeds"}
        # from_mapping owns the wording and the suggestion for unknown keys.
        _unknown_key(path, sorted(unknown)[0], known)
    training = {**config["common"], **{k: entry[k] for k in changed}}
    values = {
        **{k: v for k, v in entry.items() if k in RUN_KEYS},
        "run": run,
        "seed": seed,
        "scale": config["scale"],
        "template": config["template"],
        "training": training,
        "cluster": deep_merge(config.get("cluster", {}), entry.get("cluster", {})),
        "snapshots": sorted(snapshots(config, run)),
        "overrides": {k: v for k, v in entry.items() if k in METHOD_KEYS},
    }
    spec = from_mapping(RunSpec, values, path)
    _check_training(spec.training, path)
    return spec


def _check_group(spec: RunSpec) -> None:
    """Whether the group has room for rollouts beside the demonstration; builds the method."""
    mix, size = spec.build_method().mix, spec.training.group_size
    if mix.rollouts != "none" and mix.samples(size) < 1:
        raise ConfigError(f"runs.{spec.run}.group_size: {size} leaves no rollout beside the demonstration")


def snapshots(config: Mapping[str, Any], run: str) -> set[int]:
    """Steps of `run` that another run branches from (`init_from: run@step`)."""
    asked = set()
    for other in config["runs"]:
        parent, step = parent_of(_entry(config, other, ()).get("init_from"))
        if parent == run and step is not None:
            asked.add(step)
    return asked


def parent_of(init_from: str | None) -> tuple[str | None, int | None]:
    """`"sft@50"` -> ("sft", 50); `"sft"` -> ("sft", None); None -> (None, None): the base model."""
    if init_from is None:
        return None, None
    name, at, step = str(init_from).partition("@")
    if at and not step.isdigit():
        raise ConfigError(f"init_from: {init_from!r}: after @ comes a step number")
    return name, int(step) if at else None


def weight_source(config: Mapping[str, Any], run: str) -> str | None:
    """The run whose logged weights this run's control schedule reads."""
    weight = _entry(config, run, ()).get("weight") or {}
    return weight.get("source") if isinstance(weight, Mapping) else None


def _entry(config: Mapping[str, Any], run: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if run in seen:
        raise ConfigError(f"runs.{run}.like: a cycle: {' -> '.join([*seen, run])}")
    if run not in config["runs"]:
        raise ConfigError(f"runs.{seen[-1] if seen else run}.like: no run named {run!r}")
    own = dict(config["runs"][run] or {})
    like = own.pop("like", None)
    if like is None:
        return own
    inherited = _entry(config, like, (*seen, run))
    # A copy belongs to the items that name it, not to those of its original.
    for key in ("label", "experiments", "row_group"):
        inherited.pop(key, None)
    return deep_merge(inherited, own)


def _lineage(config: Mapping[str, Any], run: str) -> list[str]:
    """The run, what it is like, what that is like, and so on."""
    _entry(config, run, ())  # a cycle or an unknown name ends here
    chain: list[str] = []
    current: str | None = run
    while current is not None:
        chain.append(current)
        current = (config["runs"][current] or {}).get("like")
    return chain


def _unknown_key(path: str, key: str, known: frozenset[str]) -> None:
    import difflib

    close = difflib.get_close_matches(key, sorted(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"{path}.{key}: unknown key{hint}")


def _check_training(training: Training, path: str) -> None:
    for name in (
        "steps",
        "prompts_per_step",
        "group_size",
        "max_new_tokens",
        "max_prompt_tokens",
        "updates_per_rollout",
        "tokens_per_forward",
    ):
        if getattr(training, name) < 1:
            raise ConfigError(f"{path}.{name}: must be at least 1")
    for name in ("lr", "temperature", "grad_clip"):
        if getattr(training, name) <= 0:
            raise ConfigError(f"{path}.{name}: must be above 0")
    for name in ("cosine_every", "entropy_every", "weight_decay"):
        if getattr(training, name) < 0:
            raise ConfigError(f"{path}.{name}: must not be negative")
    for name, of in (("warmup", "steps"), ("lr_floor", "rate")):
        if not 0 <= getattr(training, name) <= 1:
            raise ConfigError(f"{path}.{name}: is a share of the {of}, from 0 to 1")
    if not all(0 <= beta < 1 for beta in training.betas):
        raise ConfigError(f"{path}.betas: each from 0 to below 1")
    if training.prompts_per_step % training.updates_per_rollout:
        raise ConfigError(f"{path}.updates_per_rollout: must divide prompts_per_step")


def _check_corruption(config: Mapping[str, Any], run: str) -> None:
    name = run_spec(config, run, 0).corruption
    known = ["clean", *config.get("corruptions", {})]
    if name not in known:
        raise ConfigError(f"runs.{run}.corruption: {name!r} is not one of {', '.join(known)}")


def _check_parents(config: Mapping[str, Any]) -> None:
    for run in config["runs"]:
        parent, step = parent_of(_entry(config, run, ()).get("init_from"))
        if parent is None:
            continue
        path = f"runs.{run}.init_from"
        if parent not in config["runs"]:
            raise ConfigError(f"{path}: no run named {parent!r}")
        steps = run_spec(config, parent, 0).training.steps
        if step is not None and not 0 < step < steps:
            raise ConfigError(f"{path}: step {step} is not inside {parent}'s {steps} steps")
        _check_seeds(config, run, parent)


def _check_weight_sources(config: Mapping[str, Any]) -> None:
    for run in config["runs"]:
        source, path = weight_source(config, run), f"runs.{run}.weight.source"
        needs = run_spec(config, run, 0).build_method().objective.weight.kind
        if needs in ("mean_of", "resampled_from") and source is None:
            raise ConfigError(f"{path}: {needs} needs the name of a run")
        if source is None:
            continue
        if source not in config["runs"] or source == run:
            raise ConfigError(f"{path}: no other run named {source!r}")
        if weight_source(config, source) is not None:
            raise ConfigError(f"{path}: {source!r} is itself a control")
        _check_seeds(config, run, source)


def _check_seeds(config: Mapping[str, Any], run: str, needed: str) -> None:
    missing = set(run_seeds(config, run)) - set(run_seeds(config, needed))
    if missing:
        raise ConfigError(f"runs.{run}.seeds: {needed} is not trained with seed {min(missing)}")


def _check_order(config: Mapping[str, Any]) -> None:
    """No run may wait for itself, through what runs start from and whose w they read."""

    def visit(run: str, chain: tuple[str, ...]) -> None:
        if run in chain:
            cycle = " -> ".join((*chain[chain.index(run) :], run))
            raise ConfigError(f"runs.{chain[-1]}.init_from: a cycle: {cycle}")
        if run not in done:
            parent, _ = parent_of(_entry(config, run, ()).get("init_from"))
            for needed in filter(None, (parent, weight_source(config, run))):
                visit(needed, (*chain, run))
            done.add(run)

    done: set[str] = set()
    for run in config["runs"]:
        visit(run, ())
