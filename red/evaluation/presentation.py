"""The summary as a table: in the terminal, as Markdown, as JSON. Shares are shown in percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from red import escape
from red.evaluation.summary import FEWEST, Score, overall
from red.plumbing.storage import readable_json, write_atomic, write_json
from red.plumbing.terminal import console

COLUMNS = (
    "benchmark",
    "problems",
    "accuracy [95 %]",
    "lenient",
    "tokens",
    "cut",
    "unread",
    "first sample",
    "majority",
    "s.e. sampling",
    "s.e. problems",
    "tokens right",
    "tokens wrong",
)
TERMINAL_COLUMNS = 7  # columns that fit into a terminal of 80 characters
NOTE = (
    "Accuracy: strict, in percent, mean over problems x samples, 95 % bootstrap interval over problems; none below "
    f"{FEWEST} problems, or where all came out alike. Lenient: also answers outside a box. Tokens: mean length, end "
    "token included. Cut: share that reached the token limit. Unread: share without a readable answer (wrong). "
    "Majority: share of problems whose most frequent answer is right; equal answers vote together. "
    "Arrows mark subsets."
)


def lines(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """Cells of the table, one tuple per score and one per group mean."""
    cells = [_cells(score) for score in scores]
    for group, name in (("math", "mean math"), ("out_of_domain", "mean other")):
        mean = overall(scores, group)
        if mean is not None:
            cells.append((name, "", _percent(mean), *[""] * (len(COLUMNS) - 3)))
    return cells


@dataclass(frozen=True)
class Summary:
    """The result of an evaluation."""

    title: str
    settings: Mapping[str, Any]
    scores: Sequence[Score]

    def document(self) -> dict[str, Any]:
        """All figures and the settings, for JSON."""
        means = {group: overall(self.scores, group) for group in ("math", "out_of_domain")}
        return {"settings": self.settings, "scores": [asdict(score) for score in self.scores], "means": means}


def show_json(summary: Summary) -> None:
    """Print `summary.json` on stdout."""
    print(readable_json(summary.document()), end="")


def show(summary: Summary) -> None:
    """Print the table on stdout."""
    scores = summary.scores
    title, note = map(escape.terminal, (summary.title, _note(scores)))
    table = Table(title=title, caption=note, caption_justify="left")
    for column in COLUMNS[:TERMINAL_COLUMNS]:
        table.add_column(column, justify="left" if column == "benchmark" else "right", no_wrap=True)
    for cells in lines(scores):
        table.add_row(*map(escape.terminal, cells[:TERMINAL_COLUMNS]))
    console().print(table)


def write(summary: Summary, folder: Path) -> None:
    """`summary.json` and `summary.md` (the table)."""
    scores = summary.scores
    write_json(folder / "summary.json", summary.document())
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(tuple(map(escape.markdown, cells)) for cells in lines(scores))]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    title, note = map(escape.markdown, (summary.title, _note(scores)))
    write_atomic(folder / "summary.md", f"# {title}\n\n{table}\n\n{note}\n")


def _note(scores: Sequence[Score]) -> str:
    """What the columns mean, and which problems they do not count."""
    left_out = ", ".join(f"{score.label} {score.unreadable}" for score in scores if score.unreadable)
    return NOTE + (f" Left out, because their gold answers cannot be read: {left_out}." if left_out else "")


def _cells(score: Score) -> tuple[str, ...]:
    low, high = _percent(score.accuracy.low), _percent(score.accuracy.high)
    interval = "" if math.isnan(score.accuracy.low) else f" [{low}, {high}]"
    return (
        f"→ {score.label}" if score.is_part else score.label,
        f"{score.problems} x {score.samples}",
        f"{_percent(score.accuracy.mean)}{interval}",
        _percent(score.lenient),
        _tokens(score.length),
        _percent(score.truncated),
        _percent(score.unparsed),
        _percent(score.first),
        _percent(score.majority),
        _percent(score.errors.sampling),
        _percent(score.errors.problems),
        _tokens(score.length_right),
        _tokens(score.length_wrong),
    )


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def _tokens(length: float) -> str:
    return "–" if math.isnan(length) else f"{length:.0f}"
