"""What an ablation or a control is compared with: its original, trained for as many steps."""

from red.tables.reader import Run, Tables

SHORT = "_short"


def original(tables: Tables, name: str, beside: str) -> str:
    """The run `name`, or `<name>_short` where `beside` made as few steps as that one.

    A difference between runs of unequal length would be one of lengths, too.
    """
    steps = {run.name: run.steps for run in tables.runs}
    short = name + SHORT
    is_short = short in steps and beside in steps and steps[beside] == steps[short] != steps.get(name)
    return short if is_short else name


def full_name(run: Run) -> str:
    """The name of the run of full length: the paper's numbers and colors are kept under it."""
    return run.name.removesuffix(SHORT)
