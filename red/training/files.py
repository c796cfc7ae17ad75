"""The files of one training: its inputs, its output folder, and what a resume state belongs to."""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.errors import DataError, one_line
from red.methods.base import Teacher
from red.models.folder import check_files, check_same_tokens
from red.plumbing import checksums
from red.plumbing.checksums import folder_hash, input_hash
from red.plumbing.partials import is_partial, remove_partials
from red.plumbing.provenance import spec_hash
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import link_or_copy, read_object, write_atomic, write_directory, write_json
from red.ranges import Natural
from red.training.metrics_log import whole_lines
from red.training.spec import RunSpec

# Resume states of the local engine. Here, because the plan asks for their bytes and must not import torch.
KEPT = 2
# What a training replaces in its folder.
FOLDERS = ("checkpoint", "snapshots", "finished", "failed_update")
FILES = ("metrics.jsonl", "provenance.json")


@dataclass(frozen=True)
class Trained:
    """What a training did: steps done, why it stopped early (or empty), and data counts."""

    steps: Natural
    stopped: str
    counts: Mapping[str, Natural]


@dataclass(frozen=True)
class RunFiles:
    """Inputs and the output folder of one training. `w_log` is the metrics file of the run whose w a
    control schedule reads, `teacher` the model that a method distils."""

    parent: Path
    prompts: Path
    demonstrations: Path
    out: Path
    w_log: Path | None = None
    teacher: Path | None = None

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

    @property
    def before(self) -> Path:
        """Where a state of another identity is set aside."""
        return self.out / "state.before"

    def check(self) -> None:
        """DataError, before any work is done, for a parent that is no folder of a model, or if the output folder holds
        files that the training would replace or delete and that are not of one, or are what it reads."""
        check_files(self.parent)
        if self.teacher is not None:
            check_files(self.teacher)
        inputs = (self.parent, self.prompts, self.demonstrations, self.w_log, self.teacher)
        for place in (self.state, self.before, *(self.out / name for name in (*FOLDERS, *FILES))):
            checksums.refuse_inputs(place, inputs)
            checksums.refuse_inside(place, (self.parent, self.teacher))
        for folder in (self.state, self.before):
            if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and _is_state(folder))):
                raise DataError(f"{folder}: {checksums.FOREIGN}")
        for name in FOLDERS:
            checksums.refuse_foreign_folder(self.out / name)
        for name in FILES:
            checksums.refuse_foreign(self.out / name)

    def frozen(self, teacher: Teacher | None) -> Path | None:
        """Folder of a teacher's weights, which stay as they are; None without a teacher, or where the policy is its
        own. DataError if its tokens are not the policy's.
        """
        if teacher is None or teacher.is_policy:
            return None
        if teacher.who == "itself":
            return self.parent
        assert self.teacher is not None, "checked by red.engines.train"
        check_same_tokens(self.teacher, self.parent)
        return self.teacher

    def broken_snapshots(self, steps: Iterable[int]) -> list[int]:
        """Those of these steps whose snapshot is not there, or is damaged; what is left of it is deleted."""
        broken = []
        for step in steps:
            folder = self.snapshots / f"step{step}"
            try:
                whole = bool(checksums.listed(folder) and folder_hash(folder))
            except DataError as error:
                print(f"{one_line(error)}; made again", file=sys.stderr)
                whole = False
            if not whole:
                shutil.rmtree(folder, ignore_errors=True)
                broken.append(step)
        return broken

    def publish(self, steps: int) -> None:
        """Put the finished metrics and snapshots in their declared places (an empty folder if none); DataError if those
        of one of so many steps were damaged since they were written."""
        if (whole := whole_lines(self.metrics)) < steps:
            raise DataError(
                f"{self.metrics}: damaged after {whole} of {steps} steps; start again, it goes on from there"
            )
        self._publish(self.metrics, self.snapshots)

    def retire(self, identity: Mapping[str, Any], trained: Trained) -> None:
        """Delete the resume state of a training that has published its checkpoint, metrics and snapshots."""

        def fill(folder: Path) -> None:
            for name in ("checkpoint", "snapshots"):
                _second_name(self.out / name, folder / name)
            link_or_copy(str(self.out / "metrics.jsonl"), str(folder / "metrics.jsonl"))
            write_json(folder / "trained.json", {"identity": dict(identity), **to_mapping(trained)})

        write_directory(self.finished, fill)
        self._forget_states()

    def revive(self, identity: Mapping[str, Any]) -> Trained | None:
        """Publish once more what `retire` kept; None if nothing is kept of this identity."""
        record = self.finished / "trained.json"
        kept = read_object(record) if record.exists() else {}
        if kept.pop("identity", None) != identity:
            shutil.rmtree(self.finished, ignore_errors=True)
            return None
        folder_hash(self.finished)
        write_directory(self.out / "checkpoint", lambda folder: _second_name(self.finished / "checkpoint", folder))
        self._publish(self.finished / "metrics.jsonl", self.finished / "snapshots")
        self._forget_states()
        return from_mapping(Trained, kept, str(record))

    def _forget_states(self) -> None:
        for state in (self.state, self.before):
            shutil.rmtree(state, ignore_errors=True)

    def _publish(self, metrics: Path, snapshots: Path) -> None:
        write_atomic(self.out / "metrics.jsonl", metrics.read_bytes())
        for snapshot in snapshots.glob("step*"):
            folder_hash(snapshot)

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
    hashes = {name: input_hash(path) for name, path in inputs.items() if path is not None}
    if files.teacher is not None:
        hashes["teacher"] = folder_hash(files.teacher)
    return {"spec": spec_hash(spec), "code": code, "parent": folder_hash(files.parent), **hashes}


def claim(files: RunFiles, identity: Mapping[str, Any]) -> None:
    """Make the state's folder ready; one of another identity is set aside as `state.before`."""
    state = files.state
    owner = state / "identity.json"
    try:
        previous = read_object(owner) if owner.exists() else {}
    except DataError as error:
        print(one_line(error), file=sys.stderr)
        previous = {}
    other = sorted(key for key in identity.keys() | previous.keys() if identity.get(key) != previous.get(key))
    if other and owner.exists():
        print(f"{state}: made with another {', '.join(other)}; set aside as {files.before.name}", file=sys.stderr)
        shutil.rmtree(files.before, ignore_errors=True)
        state.rename(files.before)
    state.mkdir(parents=True, exist_ok=True)
    for folder in (state.parent, state, state / "snapshots"):
        remove_partials(folder)
    if other:
        write_json(owner, identity)


def _is_state(folder: Path) -> bool:
    """Whether it is of a training: it says of which, or is what a training leaves that was killed before it could."""
    names = {path.name for path in folder.iterdir()}
    return "identity.json" in names or all(name == checksums.NAME or is_partial(name) for name in names)
