"""`red doctor`: is everything there that a configuration needs? Asked before anything is submitted."""

import argparse
from pathlib import Path

HELP = "check GPUs, driver, packages, disk, downloads, token limits and Slurm limits"
MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same overlay as Snakemake's `--configfile`."""
    parser.add_argument(
        "--configfile", type=Path, nargs="*", default=[], metavar="FILE", help="overlays on config/default.yaml"
    )
    parser.add_argument("--partition", help="Slurm partition to check against, by default the default one")


def run(options: argparse.Namespace) -> int:
    """One line per check; exit status 1 if one failed."""
    from rich.console import Console

    from red.study import config, jobs
    from red.study.doctor import checks

    document = config.load(Path("config/default.yaml"), *options.configfile)
    jobs.check(document)
    console, failed = Console(soft_wrap=True, highlight=False), 0
    for check in checks(document, options.partition):
        console.print(f"{MARKS[check.verdict]}  {check.name}: ", end="")
        console.print(check.text, markup=False)
        failed += check.verdict == "fail"
    return int(failed > 0)
