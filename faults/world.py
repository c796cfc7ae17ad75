"""The small world that every case spoils: a base model, prompts, demonstrations, one benchmark."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.plumbing.records import to_mapping
from red.plumbing.storage import write_jsonl
from red.training.files import RunFiles
from red.training.spec import RunSpec, Training

ENTRY = {"source": "embedded", "grader": "math", "metric": "pass_at_1", "samples": 2, "group": "math"}
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


@dataclass(frozen=True)
class World:
    """Files under one folder; nobody writes there after `make`."""

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
        """Clean demonstrations."""
        return self.root / "demonstrations" / "clean.jsonl"

    @property
    def benchmarks(self) -> Path:
        """Folder with math500.jsonl."""
        folder = self.root / "benchmarks"
        if not folder.exists():
            from red.world import benchmarks

            write_jsonl(folder / "math500.jsonl", list(benchmarks.rows("math500"))[:60])
        return folder

    def files(self, out: Path, **changes: Path) -> RunFiles:
        """Inputs of a training into `out`."""
        inputs = {"parent": self.base, "prompts": self.prompts, "demonstrations": self.demonstrations}
        return RunFiles(out=out, **{**inputs, **changes})

    def train(self, out: Path, spec: RunSpec, **changes: Path) -> list[str]:
        """Arguments of `red train`."""
        files = self.files(out, **changes)
        weights = ["--w-log", str(files.w_log)] if files.w_log else []
        return [
            "train",
            "--spec",
            json.dumps(to_mapping(spec)),
            "--parent",
            str(files.parent),
            "--prompts",
            str(files.prompts),
            "--demonstrations",
            str(files.demonstrations),
            *weights,
            "--out",
            str(out),
        ]

    def generate(self, out: Path, checkpoint: Path | None = None, **changes: Any) -> list[str]:
        """Arguments of `red generate` on the benchmark."""
        spec = generation(**changes)
        return [
            "generate",
            "--spec",
            json.dumps(spec),
            "--checkpoint",
            str(checkpoint or self.base),
            "--benchmarks",
            str(self.benchmarks),
            "--out",
            str(out),
        ]

    def grade(self, out: Path) -> list[str]:
        """Arguments of `red grade`."""
        spec = json.dumps({"workers": 1, "benchmarks": {"math500": ENTRY}})
        return ["grade", "--spec", spec, "--evaluation", str(out), "--benchmarks", str(self.benchmarks)]


def make(root: Path, steps: int = 400) -> World:
    """Everything from fixed seeds."""
    from red.__main__ import main

    world = World(root)
    model = json.dumps({"size": "base", "steps": steps})
    assert main(["data", "model", "--spec", model, "--out", str(world.base)]) == 0
    assert main(["data", "prompts", "--spec", '{"count": 64}', "--out", str(world.prompts)]) == 0
    demonstrations = ["data", "demonstrations", "--spec", "{}", "--prompts", str(world.prompts)]
    assert main([*demonstrations, "--out", str(world.demonstrations)]) == 0
    return world


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


def generation(**changes: Any) -> dict[str, Any]:
    """Spec of `red generate`; keyword arguments change its top level."""
    settings = {"backend": "local", "temperature": 0.6, "max_new_tokens": 40, "seed": 0}
    return {
        "run": "fault",
        "seed": 0,
        "template": "plain",
        "evaluation": settings,
        "benchmarks": {"math500": ENTRY},
        **changes,
    }
