"""`red completion`: what a shell needs to complete commands, options and files."""

import argparse
from pathlib import Path

HELP = 'print a completion script: eval "$(red completion bash)", or source it from your shell\'s start file'
SHELLS = ("bash", "zsh")


def arguments(parser: argparse.ArgumentParser) -> None:
    """For which shell."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """All commands are read once, now; a tab starts no Python."""
    import shtab

    from red import commands

    program = commands.parser(commands.names())
    for action in _actions(program):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(program, shell=options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Those of a parser and of the parsers below it."""
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [below for child in action.choices.values() for below in _actions(child)]
    return found
