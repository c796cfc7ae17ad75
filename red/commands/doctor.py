"""`red doctor`: is everything there that a configuration needs? Asked before anything is submitted."""

import argparse

from red.commands import add_json, add_overlays, configuration

HELP = "check GPUs, driver, packages, disk, downloads, token limits and Slurm limits"
COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same overlay as Snakemake's `--configfile`."""
    add_overlays(parser)
    add_json(parser)
    parser.add_argument("--partition", help="Slurm partition to check against, by default the default one")


def run(options: argparse.Namespace) -> int:
    """One line per check; exit status 1 if one failed."""
    from rich.text import Text

    from red.escape import terminal
    from red.plumbing.records import to_mapping
    from red.plumbing.storage import readable_json
    from red.plumbing.terminal import console
    from red.study import jobs
    from red.study.doctor import checks

    document = configuration(options)
    jobs.check(document)
    if options.json:
        found = list(checks(document, options.partition))
        print(readable_json([to_mapping(check) for check in found]), end="")
        return int(any(check.verdict == "fail" for check in found))
    screen, failed = console(soft_wrap=True), 0
    for check in checks(document, options.partition):
        mark = f"{check.verdict:4}", COLORS[check.verdict]
        screen.print(Text.assemble(mark, f"  {terminal(check.name)}: {terminal(check.text)}"))
        failed += check.verdict == "fail"
    return int(failed > 0)
