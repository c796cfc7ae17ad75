"""Runs a `red` command that kills itself at an exact moment: `python -m tests.faults.moments PLAN -- ARGUMENTS`.

PLAN is JSON: {"phase", "entry", "offset", "signal"} sends the signal at the `offset`-th function call (of
Python or C) after the `entry`-th entry into that phase, so that a moment between two system calls can be
hit, and hit again. {"record": FILE} writes the number of calls of each entry instead, {} does neither. The state is
saved after every step.
"""

import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PHASES = {
    "load": ("red.data.problems", "load_problems"),
    "resume": ("red.training.state", "load_state"),
    "rollout": ("red.sampling.sampler", "sample"),
    "grading": ("red.grading.reward", "RewardJudge.__call__"),
    "update": ("red.engines.local.policy", "LocalPolicy.step"),
    "metrics": ("red.training.metrics_log", "append"),
    "save": ("red.training.state", "save_state"),
    "snapshot": ("red.engines.local.policy", "LocalPolicy.save"),
    "publish": ("red.training.files", "RunFiles.publish"),
    "provenance": ("red.plumbing.provenance", "write_provenance"),
    "answer": ("red.evaluation.answers", "AnswerLog.add"),
    "finish": ("red.evaluation.generate", "_finish"),
    "verdicts": ("red.evaluation.verdicts", "_grades"),
}


class Moment:
    """A profile function: counts calls inside a phase, and acts when the planned one comes."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.phases: dict[CodeType, str] = {_code(*place): name for name, place in PHASES.items()}
        self.entries = dict.fromkeys(PHASES, 0)
        self.open: list[list[Any]] = []
        self.lengths: dict[str, list[int]] = {name: [] for name in PHASES}
        self.left: int | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            for entry in self.open:
                entry[1] += 1
            if self.left is not None:
                self.left -= 1
                self._act()
        phase = self.phases.get(frame.f_code) if event in ("call", "return") else None
        if phase is None:
            return
        if event == "return":
            if self.open and self.open[-1][0] == phase:
                self.lengths[phase].append(self.open.pop()[1])
            return
        self.open.append([phase, 0])
        self.entries[phase] += 1
        if phase == self.plan.get("phase") and self.entries[phase] == self.plan["entry"]:
            self.left = self.plan["offset"]
            self._act()

    def _act(self) -> None:
        if self.left is not None and self.left <= 0:
            self.left = None
            os.kill(os.getpid(), self.plan["signal"])


def main() -> int:
    """Run the command with the plan."""
    plan, separator, *arguments = sys.argv[1:]
    assert separator == "--"
    from red.__main__ import main as red
    from red.engines.local import policy as local

    local.STATE_SECONDS = 0.0
    moment = Moment(json.loads(plan))
    if moment.plan:  # counting takes most of the time, and nobody waits for a moment of none
        sys.setprofile(moment)
    try:
        return red(arguments)
    finally:
        sys.setprofile(None)
        if record := moment.plan.get("record"):
            Path(record).write_text(json.dumps(moment.lengths))


def _code(module: str, name: str) -> CodeType:
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    return inspect.unwrap(function).__code__


if __name__ == "__main__":
    sys.exit(main())
