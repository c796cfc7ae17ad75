"""Premises of the paper's question.

What a world has to be like so that the question whether a mixture helps can be asked in it: threshold, the paper's
number, what was measured here on the base, SFT, GRPO and SFT+DAPO, and whether it holds. No hybrid method enters.
"""

import numpy as np
import pandas as pd

from analysis.measures.premises import DECIDING, FEWEST_SEEDS, Finding, judge
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.style import title
from red.tables.reader import Tables

HOLDS = {True: "yes", False: "no", None: "not measured"}
MISSING = "–"


def build(tables: Tables) -> Table:
    """One row per condition; the CSV also has the number of each seed."""
    findings = judge(tables)
    silent = [one.premise.name for one in findings if one.holds is None]
    counts = {name: sum(HOLDS[one.holds] == name for one in findings) for name in HOLDS.values()}
    account = account_of(
        tables,
        tables.named(*DECIDING),
        f"Intervals: 95 % t over seeds, from {FEWEST_SEEDS} seeds on; the mean over seeds decides.",
        missing=[f"measurement of {', '.join(silent)}"] if silent else [],
    )
    return Table(
        title=title("Premises of the paper's question", tables.scale),
        caption="Whether imitation and RL mix well can be asked where RL alone is limited, demonstrations hold what it "
        f"lacks, and the base can take it up. Of {len(findings)} conditions {counts['yes']} hold, {counts['no']} do "
        f"not, {counts['not measured']} are not measured. A claim whose premise fails is not testable here. "
        f"Entropies and shares: probes on fixed training prompts at temperature 1. {account.text()}",
        stub="Premise",
        columns=("Threshold", "Paper", "Measured", "Each seed", "Holds"),
        rows=tuple(_row(one) for one in findings),
        numbers=pd.DataFrame([row for one in findings for row in _numbers(one)]),
        layout="p{6.5cm}ccp{2.8cm}p{2.8cm}l",
        facts=account.facts() | {"premises": {one.premise.name: HOLDS[one.holds] for one in findings}},
    )


def _row(found: Finding) -> Row:
    premise, (low, high) = found.premise, found.interval
    each = [f"{value:.3g}" for value in found.by_seed] if len(found.by_seed) > 1 else []
    holds = HOLDS[found.holds] + f" ({found.seeds_that_hold} of {len(each)} seeds)" * bool(each)
    cells = (
        Cell(premise.threshold),
        Cell(MISSING if np.isnan(found.paper) else f"{found.paper:.3g}{premise.unit}"),
        Cell(
            MISSING if found.holds is None else f"{found.value:.3g}{premise.unit}",
            "" if np.isnan(low) else f"[{low:.3g}, {high:.3g}]",
        ),
        Cell(", ".join(each) or MISSING),
        Cell(holds),
    )
    return Row(f"{premise.name} {premise.statement}", cells)


def _numbers(found: Finding) -> list[dict[str, object]]:
    """The mean, which decides, then each seed."""
    premise, (low, high) = found.premise, found.interval
    about = {"premise": premise.name, "statement": premise.statement, "threshold": premise.threshold}
    about |= {"unit": premise.unit.strip()}
    whole = {"seed": "all", "value": found.value, "low": low, "high": high, "seeds": len(found.by_seed)}
    whole |= {"reported": found.paper, "holds": HOLDS[found.holds]}
    seeds = [
        {"seed": str(seed), "value": value, "holds": HOLDS[premise.met_by(value)]}
        for seed, value in found.by_seed.items()
    ]
    return [about | row for row in (whole, *seeds)]
