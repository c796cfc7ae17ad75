"""`red train`: one run, one seed, from its resolved spec."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.commands import add_gpus
from red.plumbing import tracking

HELP = "train one run from a resolved spec; continues from OUT/state"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `train` passes."""
    parser.add_argument("--spec", required=True, help="resolved run spec, JSON")
    parser.add_argument("--parent", required=True, type=Path, help="checkpoint to start from")
    parser.add_argument("--prompts", required=True, type=Path)
    parser.add_argument("--demonstrations", required=True, type=Path)
    parser.add_argument("--w-log", type=Path, help="metrics.jsonl of the run whose w is read")
    parser.add_argument("--teacher", type=Path, help="model whose log-probabilities are distilled")
    parser.add_argument("--code", default="", help="fingerprint of the code, kept in the provenance")
    parser.add_argument(
        "--tracking",
        nargs="*",
        default=os.environ.get("RED_TRACKING", "").split(),
        choices=tracking.names(),
        help="also send metrics there; what fails is left out (default: $RED_TRACKING)",
    )
    parser.add_argument("--out", required=True, type=Path, help="run folder")
    add_gpus(parser)


def run(options: argparse.Namespace) -> int:
    """Train, then write the provenance last: it marks the run as whole."""
    from red.engines import train
    from red.models.folder import check_files
    from red.plumbing.card import card
    from red.plumbing.progress import StepProgress
    from red.plumbing.provenance import Start, hashes, write_provenance
    from red.plumbing.records import from_mapping, to_mapping
    from red.plumbing.storage import argument, write_atomic
    from red.training.files import RunFiles
    from red.training.spec import RunSpec

    started = Start()
    spec = from_mapping(RunSpec, argument(options.spec), "spec")
    rows = (options.prompts, options.demonstrations)
    files = RunFiles(options.parent, *rows, options.out, options.w_log, options.teacher)
    check_files(files.parent)
    inputs = hashes([files.parent, *rows, *filter(None, [files.w_log, files.teacher])])
    title, document = f"{spec.run} seed {spec.seed}", to_mapping(spec)
    with (
        StepProgress(title, spec.training.steps) as progress,
        tracking.tracking(options.tracking, title, options.out, document) as trackers,
    ):

        def report(step: int, metrics: Mapping[str, Any]) -> None:
            progress.report(step, metrics)
            trackers.report(step, metrics)

        result = train(spec, files, report, options.code)
    write_atomic(options.out / "checkpoint" / "README.md", card(document, options.code, result.steps, result.stopped))
    write_provenance(
        options.out / "provenance.json",
        document,
        options.code,
        inputs,
        started,
        steps=result.steps,
        stopped=result.stopped,
        data=dict(result.counts),
    )
    return 0
