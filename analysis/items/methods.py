"""Table of methods.

What each method puts into a group and learns from it, told from the specs that train: no data. Every row is one file of
red/methods; the loss is the same for all.
"""

import pandas as pd

from analysis.output.item import Cell, Row, Table
from red import methods
from red.methods.row import COLUMNS, row
from red.tables.reader import Tables

GROUP_SIZE = 8  # the paper's


def build(tables: Tables) -> Table:
    """One row per method of the project, in the order of their names, whatever the study trains."""
    texts = {name: row(name, methods.method(name), GROUP_SIZE) for name in methods.names()}
    return Table(
        title="Methods",
        caption="Settings, no data: what enters a group of 8, and what is learned from it. Only a ratio with edges is "
        "clipped. Aggregation: of the policy-gradient terms, then of the NLL, then the entropy bonus. Not here: SASR, "
        "whose formula could not be checked, and what docs/methods.md section 17 leaves out, with reasons.",
        stub="Method",
        columns=COLUMNS,
        rows=tuple(Row(name, tuple(map(Cell, cells))) for name, cells in texts.items()),
        numbers=pd.DataFrame(
            [{"method": name, **dict(zip(COLUMNS, cells, strict=True))} for name, cells in texts.items()]
        ),
        layout="l" + "p{2.2cm}" * len(COLUMNS),
    )
