"""Appendix: ablations, controls and published configurations.

Variants of RED and MixPolicy, controls of w, and each method with its own source's values, among them RED as its
authors' code intends and as it was released.
"""

from analysis.output.item import Cell, Table
from analysis.parts.accuracy_table import Extra, accuracy_table
from red.tables.reader import Tables

COMMON = ("mix_policy", "luffy", "relift", "hpt", "red")


def build(tables: Tables) -> Table:
    """The common configurations first, then whatever else was trained beside the main table."""
    tagged = tables.of_item("ablations")
    rest = [run for run in tables.runs if run.row_group in ("ablation", "control") or run.family == "published"]
    common = [run for run in tables.runs if run.name in COMMON]
    return accuracy_table(
        tables,
        "ablations",
        "Ablations, controls and published configurations",
        "Accuracy in percent and mean response length in tokens. RED as every other table reports it stands "
        "with the common configurations; as intended and as released are the two readings of its authors' "
        "code. Compare rows of equal steps: shorter ones have a RED and a MixPolicy of their own. No row is ranked.",
        tables.group("math"),
        "Overall",
        ranked=lambda run: False,
        extra=Extra(("steps",), lambda run: ((Cell("–" if run.steps is None else str(run.steps)),), [])),
        runs=tagged or [*common, *(run for run in rest if run not in common)],
    )
