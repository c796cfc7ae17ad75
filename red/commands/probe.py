"""`red probe`: token probabilities and entropies on fixed prompts."""

import argparse
from pathlib import Path

HELP = "measure entropies or token probabilities of a checkpoint on fixed prompts"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `probe` passes."""
    parser.add_argument("--spec", required=True, help="probe spec, JSON")
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="another model to measure: parent, base, sft or large",
    )
    parser.add_argument("--prompts", required=True, type=Path)
    parser.add_argument("--demonstrations", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="parquet file")


def run(options: argparse.Namespace) -> int:
    """Measure and write one parquet file, atomically."""
    import torch

    from red.errors import ConfigError
    from red.grading.reward import RewardJudge
    from red.models.checkpoint import load
    from red.plumbing.records import from_mapping
    from red.plumbing.storage import argument
    from red.probes.probe import Probe, measure
    from red.probes.row import write

    torch.set_num_threads(1)
    probe = from_mapping(Probe, argument(options.spec), "spec")
    folders = dict(pair.partition("=")[::2] for pair in options.model)
    if any(not folder for folder in folders.values()):
        raise ConfigError("--model: give NAME=DIR")
    others = {name: load(Path(folder)) for name, folder in folders.items()}
    with RewardJudge() as judge:
        rows = list(measure(probe, load(options.checkpoint), others, options.prompts, options.demonstrations, judge))
    write(rows, options.out)
    return 0
