"""The project's grader and plain math-verify on the tiny world's demonstrations."""

import argparse
import tempfile
from pathlib import Path

from bench import grading
from bench import world as tiny
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from red.plumbing.storage import write_jsonl

ROW = Row(
    title="Grading answers: the project's grader and math-verify",
    work="answers",
    sides=(
        Side("ours", "main", "red.grading.grader with one worker process, its start and end included"),
        Side("plain", "main", "verify(parse(gold), parse(response)) of math-verify in one process"),
    ),
    cases=(Case("1,000 demonstrations", {"count": 1000}, 3),),
    bars=(Bar("plain", "time", 1.0),),
    notes="`python bench/grading.py CASES.jsonl` does the same for any labelled cases. Ours settles plain "
    "numbers by cheap exact steps and sends only the rest to a worker that can be killed.",
)


def prepare(setting: Setting) -> Run:
    """A run grades all cases once, in a fresh process, so that nothing is remembered."""
    pairs = tiny.pairs(setting.world)[: setting.size["count"]]
    cases = Path(tempfile.mkdtemp()) / "cases.jsonl"
    write_jsonl(cases, ({"gold": pair["answer"], "response": pair["completion"]} for pair in pairs))
    options = argparse.Namespace(cases=cases, workers=1)

    def run() -> Done:
        return Done(len(pairs), seconds=grading.measured(setting.side, options)["seconds"])

    return run
