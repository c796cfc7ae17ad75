"""`red train`: one run, one seed, from its resolved spec."""

import argparse
from pathlib import Path

HELP = "train one run from a resolved spec; continues from OUT/state"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `train` passes."""
    parser.add_argument("--spec", required=True, help="resolved run spec, JSON")
    parser.add_argument("--parent", required=True, type=Path, help="checkpoint to start from")
    parser.add_argument("--prompts", required=True, type=Path)
    parser.add_argument("--demonstrations", required=True, type=Path)
    parser.add_argument("--weights-from", type=Path, help="metrics.jsonl of the run whose w is read")
    parser.add_argument("--code", default="", help="fingerprint of the code, kept in the provenance")
    parser.add_argument("--out", required=True, type=Path, help="run folder")


def run(options: argparse.Namespace) -> int:
    """Train, then write the provenance last: it marks the run as whole."""
    from red.config import RunSpec
    from red.engines.base import RunFiles, train
    from red.progress import StepProgress
    from red.provenance import Start, write_provenance
    from red.records import from_mapping, to_mapping
    from red.storage import argument

    started = Start()
    spec = from_mapping(RunSpec, argument(options.spec), "spec")
    files = RunFiles(options.parent, options.prompts, options.demonstrations, options.out,
                     options.weights_from)
    with StepProgress(f"{spec.run} seed {spec.seed}", spec.training.steps) as progress:
        trained = train(spec, files, progress.report, options.code)
    inputs = [files.parent, files.prompts, files.demonstrations, *filter(None, [files.weights])]
    write_provenance(
        options.out / "provenance.json", to_mapping(spec), options.code, inputs, started,
        steps=trained.steps, stopped=trained.stopped, data=dict(trained.counts),
    )
    return 0
