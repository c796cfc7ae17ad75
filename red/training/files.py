"""The files of one training: its inputs, its output folder, and what a resume state belongs to."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.plumbing.provenance import spec_hash
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import (
    file_hash,
    folder_hash,
    link_or_copy,
    read_object,
    remove_partials,
    write_atomic,
    write_directory,
    write_json,
)
from red.ranges import Natural
from red.training.spec import RunSpec

# Resume states of the local engine. Here, because the plan asks for their bytes and must not import torch.
KEPT = 2


@dataclass(frozen=True)
class Trained:
    """What a training did: steps done, why it stopped early (or empty), and data counts."""

    steps: Natural
    stopped: str
    counts: Mapping[str, Natural]


@dataclass(frozen=True)
class RunFiles:
    """Inputs and the output folder of one training. `w_log` is the metrics file of the run whose w a
    control schedule reads."""

    parent: Path
    prompts: Path
    demonstrations: Path
    out: Path
    w_log: Path | None = None

    @property
    def problems(self) -> Path:
        """Tokenized prompts and demonstrations, for every run that reads the same ones."""
        return self.prompts.parent / "problems"

    @property
    def state(self) -> Path:
        """Resume state: not a declared output, so a killed job finds it again."""
        return self.out / "state"

    @property
    def metrics(self) -> Path:
        """One JSON object per step. It grows beside the state, because Snakemake deletes the declared
        outputs of a killed job; `publish` puts it in its place."""
        return self.state / "metrics.jsonl"

    @property
    def snapshots(self) -> Path:
        """Checkpoints at the steps that another run branches from; published like the metrics."""
        return self.state / "snapshots"

    @property
    def finished(self) -> Path:
        """Second names of what a finished training has published: Snakemake deletes the outputs of a job
        whose end it did not see, and the job that comes for them publishes once more."""
        return self.out / "finished"

    def publish(self) -> None:
        """Put the finished metrics and snapshots in their declared places (an empty folder if none)."""
        self._publish(self.metrics, self.snapshots)

    def retire(self, identity: Mapping[str, Any], trained: Trained) -> None:
        """Delete the resume state of a training that has published its checkpoint, metrics and snapshots."""

        def fill(folder: Path) -> None:
            for name in ("checkpoint", "snapshots"):
                _second_name(self.out / name, folder / name)
            link_or_copy(str(self.out / "metrics.jsonl"), str(folder / "metrics.jsonl"))
            write_json(folder / "trained.json", {"identity": dict(identity), **to_mapping(trained)})

        write_directory(self.finished, fill)
        for state in (self.state, self.state.with_name("state.before")):
            shutil.rmtree(state, ignore_errors=True)

    def revive(self, identity: Mapping[str, Any]) -> Trained | None:
        """Publish once more what `retire` kept; None if nothing is kept of this identity."""
        record = self.finished / "trained.json"
        kept = read_object(record) if record.exists() else {}
        if kept.pop("identity", None) != identity:
            shutil.rmtree(self.finished, ignore_errors=True)
            return None
        write_directory(self.out / "checkpoint", lambda folder: _second_name(self.finished / "checkpoint", folder))
        self._publish(self.finished / "metrics.jsonl", self.finished / "snapshots")
        shutil.rmtree(self.state, ignore_errors=True)
        return from_mapping(Trained, kept, str(record))

    def _publish(self, metrics: Path, snapshots: Path) -> None:
        write_atomic(self.out / "metrics.jsonl", metrics.read_bytes())

        def fill(folder: Path) -> None:
            # The originals stay: a job killed after this line publishes once more.
            if snapshots.exists():
                _second_name(snapshots, folder)

        write_directory(self.out / "snapshots", fill)


def _second_name(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=link_or_copy)


Report = Callable[[int, Mapping[str, Any]], None]


def identity(run: RunSpec, files: RunFiles, code: str) -> dict[str, Any]:
    """What a state belongs to. Hardware is left out: a run may continue on another machine."""
    spec = {key: value for key, value in to_mapping(run).items() if key != "cluster"}
    inputs = {"prompts": files.prompts, "demonstrations": files.demonstrations, "w_log": files.w_log}
    hashes = {name: file_hash(path) for name, path in inputs.items() if path is not None}
    return {"spec": spec_hash(spec), "code": code, "parent": folder_hash(files.parent), **hashes}


def claim(state: Path, identity: Mapping[str, Any]) -> None:
    """Make `state` ready; one of another identity is set aside as `state.before`."""
    owner = state / "identity.json"
    previous = read_object(owner) if owner.exists() else {}
    other = sorted(key for key in identity.keys() | previous.keys() if identity.get(key) != previous.get(key))
    if other and any(path != owner for path in state.glob("*")):
        before = state.with_name("state.before")
        print(f"{state}: made with another {', '.join(other)}; set aside as {before.name}", file=sys.stderr)
        shutil.rmtree(before, ignore_errors=True)
        state.rename(before)
    state.mkdir(parents=True, exist_ok=True)
    for folder in (state.parent, state, state / "snapshots"):
        remove_partials(folder)
    if other:
        write_json(owner, identity)
