"""What a study ran and what came out, in two sentences made from its items, and the verdicts on the claims."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.report.made import Made
from red.tables.reader import REPRODUCTIONS

REFERENCE = "red"
VERDICTS = {  # in the order of a scoreboard: what each means
    "shown": "the claimed sign, and as clear as the row asks",
    "direction only": "the claimed sign, too few seeds for a test",
    "not shown": "not clear either way",
    "opposite": "the other sign, and as clear",
    "not testable here": "a premise that the claim needs fails in this world",
    "not judged": "measured, but a matter of the machine",
    "not measured": "the runs or probes are missing",
}


@dataclass(frozen=True)
class Count:
    """How many claims have a verdict."""

    verdict: str
    meaning: str
    number: int


@dataclass(frozen=True)
class Claim:
    """One row of the scoreboard: where the paper says it, the verdict, what was measured, and what would show it."""

    where: str
    statement: str
    verdict: str
    measured: str
    threshold: str
    p: str
    seeds: str


def what_was_run(items: Iterable[Made]) -> str:
    """Scale, runs, steps, seeds, benchmarks and problems, from what each item says it shows."""
    runs: dict[str, Mapping[str, Any]] = {}
    problems: dict[str, int] = {}
    scale = ""
    for item in items:
        scale = str(item.facts.get("scale", scale))
        runs |= {run["run"]: run for run in item.facts.get("runs", ())}
        problems |= item.facts.get("problems", {})
    trained = [run for run in runs.values() if run["steps"] and run["seeds"]]
    if not trained:
        return "No training is finished yet."
    steps = sorted({run["steps"] for run in trained})
    seeds = sorted({len(run["seeds"]) for run in trained})
    where = f"At {scale} scale" if scale in REPRODUCTIONS else f"In the study {scale}"
    text = f"{where}, {_counted(len(trained), 'run')} trained for {_range(steps)} steps with "
    text += f"{_range(seeds)} seed{'s' * (seeds[-1] > 1)} each"
    if problems:
        text += f", evaluated on {_counted(len(problems), 'benchmark')} with {sum(problems.values())} problems"
    return f"{text}."


def what_came_out(items: Iterable[Made]) -> str:
    """RED's place among the methods that compete, and how the paper's claims fare."""
    by_name = {item.name: item for item in items}
    parts = []
    if (overview := by_name.get("overview")) is not None:
        parts += [text] if (text := _place(overview.numbers)) else []
    if (claims := by_name.get("claims")) is not None:
        counts = {one.verdict: one.number for one in scoreboard(claims)}
        listed = _listed([f"{number} {verdict}" for verdict, number in counts.items()])
        parts.append(f"of {sum(counts.values())} claims, {listed}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def scoreboard(claims: Made) -> tuple[Count, ...]:
    """The verdicts that occur, in the order of VERDICTS; one that is not listed there comes last."""
    counts: Mapping[str, int] = claims.facts["verdicts"]
    order = [*VERDICTS, *sorted(set(counts) - set(VERDICTS))]
    return tuple(Count(name, VERDICTS.get(name, ""), counts[name]) for name in order if name in counts)


def claims_of(claims: Made) -> tuple[Claim, ...]:
    """The rows of the table of claims, in the paper's order."""
    heads = list(claims.facts["table"]["columns"])
    found = []
    for row in claims.facts["table"]["rows"]:
        cell = dict(zip(heads, (cell["text"] for cell in row["cells"]), strict=True))
        texts = (cell[head] for head in ("Verdict", "Measured", "Shown if", "p", "Seeds"))
        found.append(Claim(cell["Where"], row["label"], *texts))
    return tuple(found)


def _place(numbers: pd.DataFrame) -> str:
    """`RED reaches 37.8 % [..], below SFT→GRPO, the highest, with 46.8 % (difference ..)`."""
    mean = numbers[(numbers["column"] == "mathematics") & (numbers["metric"] == "accuracy")].set_index("run")
    if REFERENCE not in mean.index or pd.isna(mean.loc[REFERENCE, "value"]):
        return ""
    own = mean.loc[REFERENCE]
    text = f"{own['label']} reaches {_interval(own)} on the mean of the mathematics benchmarks"
    marks = mean["mark"].fillna("")
    highest = mean[marks.isin(("best", "highest"))]
    if highest.empty:
        return text
    if highest.index[0] != REFERENCE:
        first = highest.iloc[0]
        text += f", below the highest, {first['label']} with {_interval(first)}"
        other = highest.index[0]
    else:
        text += ", the highest" + ("" if marks[REFERENCE] == "best" else ", though no test sets it apart")
        following = mean[marks.isin(("second", "next"))]
        if following.empty:
            return text
        text += f"; next is {following.iloc[0]['label']} with {_interval(following.iloc[0])}"
        other = following.index[0]
    change = numbers[(numbers["run"] == other) & (numbers["metric"] == f"{REFERENCE} minus run")]
    if len(change) and pd.notna(change.iloc[0]["value"]):
        one = change.iloc[0]
        text += f" (difference {one['value']:+.1f} points [{one['low']:+.1f}, {one['high']:+.1f}])"
    return text


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.1f} % [{row['low']:.1f}, {row['high']:.1f}]"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
