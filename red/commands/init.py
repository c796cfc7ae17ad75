"""`red init`: a folder of one's own with configuration, workflow and analysis."""

import argparse
import shlex
from pathlib import Path

HELP = "write configuration, workflow and analysis into a folder, for a study of your own"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or one without a project")


def run(options: argparse.Namespace) -> int:
    """Write the folders and say how to go on."""
    from red.escape import terminal
    from red.project import write_project

    for target in write_project(options.folder):
        print(terminal(f"{target}/"))
    print(f"\ncd {terminal(shlex.quote(str(options.folder)))}")
    print("snakemake all --cores 2 -n    # the plan; without -n: all of it")
    return 0
