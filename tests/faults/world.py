"""The small world that cases spoil copies of: a base model, prompts, demonstrations, one benchmark."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from red.plumbing import checksums
from red.plumbing.records import to_mapping
from red.plumbing.storage import write_jsonl
from red.training.spec import RunSpec, Training
from red.world import benchmarks

# Changes a folder in place.
Spoil = Callable[[Path], object]
SAMPLES = 2
ENTRY = {"source": "embedded", "grader": "math", "metric": "pass_at_1", "samples": SAMPLES, "group": "math"}
GENERATION = {
    "run": "fault",
    "seed": 3,
    "template": "plain",
    "evaluation": {"backend": "local", "temperature": 0.6, "max_new_tokens": 40, "seed": 0},
    "benchmarks": {"math500": ENTRY},
}
TRAINING = {
    "engine": "local",
    "steps": 6,
    "prompts_per_step": 4,
    "group_size": 4,
    "max_new_tokens": 40,
    "lr": 2e-3,
    "cosine_every": 2,
    "entropy_every": 2,
}
# The collected tables' entry of a benchmark.
BENCHMARK = {"benchmark": "math500", "label": "MATH500", "group": "math", "metric": "pass_at_1"}
BENCHMARK |= {"source": "embedded", "samples": SAMPLES}


@dataclass(frozen=True)
class World:
    """Files under one folder; undisturbed runs that several cases need are added to it."""

    root: Path

    @property
    def base(self) -> Path:
        """Model folder."""
        return self.root / "models" / "base"

    @property
    def prompts(self) -> Path:
        """Training prompts."""
        return self.root / "prompts.jsonl"

    @property
    def demonstrations(self) -> Path:
        """Demonstrations with wrong traces."""
        return self.root / "demonstrations" / "wrong_traces.jsonl"

    @property
    def benchmarks(self) -> Path:
        """Folder with math500.jsonl."""
        folder = self.root / "benchmarks"
        if not folder.exists():
            write_jsonl(folder / "math500.jsonl", list(benchmarks.rows("math500"))[:60])
        return folder

    def copy_of_base(self, folder: Path, spoil: Spoil) -> Path:
        """The base model, spoiled; without the list of its files, as a model of somebody else."""
        model = folder / "model"
        shutil.copytree(self.base, model, ignore=shutil.ignore_patterns(checksums.NAME))
        spoil(model)
        return model

    def train(self, out: Path, spec: RunSpec, **changes: Path) -> list[str]:
        """Arguments of `red train`; keyword arguments replace an input."""
        rows = {"prompts": self.prompts, "demonstrations": self.demonstrations}
        inputs = {"parent": self.base, "teacher": self.root / "models" / "teacher", **rows, **changes}
        options = [text for name, path in inputs.items() for text in (f"--{name}", str(path))]
        return ["train", "--spec", json.dumps(to_mapping(spec)), *options, "--out", str(out)]

    def generate(self, out: Path, checkpoint: Path | None = None, benchmarks: Path | None = None) -> list[str]:
        """Arguments of `red generate` on the benchmark."""
        inputs = ["--checkpoint", str(checkpoint or self.base), "--benchmarks", str(benchmarks or self.benchmarks)]
        return ["generate", "--spec", json.dumps(GENERATION), *inputs, "--out", str(out)]


def grade(evaluation: Path, benchmarks: Path, samples: int = SAMPLES) -> list[str]:
    """Arguments of `red grade`."""
    spec = json.dumps({"workers": 1, "benchmarks": {"math500": {**ENTRY, "samples": samples}}})
    return ["grade", "--spec", spec, "--evaluation", str(evaluation), "--benchmarks", str(benchmarks)]


def not_finite(model: Path) -> None:
    """One weight becomes NaN."""
    tensors = load_file(model / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})


def run_spec(method: str = "red", overrides: dict[str, Any] | None = None, **training: Any) -> RunSpec:
    """A short run with a snapshot; keyword arguments change the training."""
    return RunSpec(
        run="fault",
        seed=3,
        scale="tiny",
        method=method,
        template="plain",
        snapshots=(2,),
        training=Training(**{**TRAINING, **training}),
        overrides=overrides or {},
    )
