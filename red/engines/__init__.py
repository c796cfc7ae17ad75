"""What executes a training, one folder per engine; the training loop is the same for all.

An engine is a package here with `train` and `needs` (see `Engine`). It is found by its name and imported
when a run names it; its heavy packages only when it trains.
"""

import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import Protocol, cast

from red.errors import ConfigError
from red.plumbing.storage import only_here
from red.training.files import Report, RunFiles, Trained, claim, identity
from red.training.spec import RunSpec


@dataclass(frozen=True)
class Stored:
    """Bytes on disk per parameter: of a checkpoint or a snapshot, and of one resume state; `states` is how many
    of these there are at most, also while a new one is written."""

    checkpoint: int
    state: int
    states: int


@dataclass(frozen=True)
class Needs:
    """What a training asks of the machine: disk, GPUs over all nodes, as the section `cluster` says (None: the
    engine does not read it, and the section `resources` says how many), and installed distributions."""

    stored: Stored
    gpus: int | None = None
    packages: tuple[str, ...] = ()

    @property
    def reads_cluster(self) -> bool:
        """Whether the section `cluster` is part of what is trained."""
        return self.gpus is not None


class Engine(Protocol):
    """The two functions of an engine's package."""

    def train(self, run: RunSpec, files: RunFiles, report: Report) -> Trained:
        """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""

    def needs(self, run: RunSpec) -> Needs:
        """Without importing what it needs."""


@functools.cache
def names() -> tuple[str, ...]:
    """Every engine that a run may name. The folder is listed once: a plan asks for each of its runs."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


def engine(name: str, path: str = "engine") -> Engine:
    """The engine of that name; ConfigError begins with `path`."""
    if name not in names():
        raise ConfigError(f"{path}: {name!r} is not one of {', '.join(names())}")
    return cast(Engine, importlib.import_module(f"red.engines.{name}"))


def train(run: RunSpec, files: RunFiles, report: Report, code: str = "") -> Trained:
    """Train with the engine that the run names.

    One process at a time trains in `files.out`, and it continues only a state of the same spec, code
    (its fingerprint) and inputs. The state of a finished training is deleted.
    """
    method = run.build_method()
    weight = method.objective.weight
    if weight.kind in ("mean_of", "resampled_from") and files.w_log is None:
        raise ConfigError(f"--w-log: {weight.kind} reads the metrics of another run")
    if method.teacher is not None and method.teacher.who == "model" and files.teacher is None:
        raise ConfigError(f"--teacher: {run.method} reads the log-probabilities of another model")
    with only_here(files.out / ".lock", "training"):
        files.check()
        this = identity(run, files, code)
        if trained := files.revive(this):
            return trained
        claim(files, this)
        trained = engine(run.training.engine).train(run, files, report)
        files.retire(this, trained)
        return trained
