"""`red replay`: repeat the update that a run could not apply, and say which tensors went wrong."""

import argparse
from pathlib import Path

HELP = "repeat a saved failed update and print where numbers stop being finite"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The folder that the error message names."""
    parser.add_argument("folder", type=Path, help="RUN/failed_update")


def run(options: argparse.Namespace) -> int:
    """Print loss terms and everything that is not finite."""
    import torch

    from red.escape import terminal
    from red.training.guard import replay

    torch.set_num_threads(1)
    for line in replay(options.folder):
        print(terminal(line))
    return 0
