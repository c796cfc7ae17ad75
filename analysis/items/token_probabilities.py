"""Figure 7: token probabilities.

How training changed the probability of each token of the trained models' own responses to one problem, and the mean
change of thinking words by stage. On the page of tokens choose a problem and read the models side by side; hover, click
or use the arrow keys for both probabilities of a token.
"""

from collections.abc import Collection, Sequence
from functools import partial
from textwrap import shorten, wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Picture
from matplotlib.patches import Rectangle

from analysis.measures.responses import REFERENCES, Response, changes_by_stage, read_responses
from analysis.measures.token_stages import STAGES
from analysis.output.item import Figure
from analysis.output.token_page import page
from analysis.parts.account import account_of
from analysis.parts.style import BLACK, FULL, GREY, looks, no_data, title
from red.escape import terminal
from red.tables.reader import Run, Tables
from red.text.thinking_words import WORDS

COLORS = LinearSegmentedColormap.from_list("change", ["#6fa8dc", "white", "#f08c78"])
FULL_CHANGE, UNCHANGED = 0.5, 0.02
PAGE_PROBLEMS = 12
LINE_CHARACTERS, PANEL_LINES, PROMPT_LINES = 94, 6, 3
INCHES_PER_LINE = 0.17
RESAMPLING = "Intervals: 95 % bootstrap over problems (a problem's value is its mean over the words)."


def build(tables: Tables) -> Figure:
    """Coloured text of one problem for every run, change of thinking words by stage, and the page."""
    runs = tuple(tables.of_item("token_probabilities")) or tables.probed("tokens")
    responses = read_responses(tables, runs)
    numbers = changes_by_stage(responses, runs)
    probed = {response.run for response in responses}
    missing = [f"token probe of {run.label}" for run in runs if run.name not in probed]
    problems = len({response.example for response in responses})
    notes = (
        f"{problems} problems.",
        f"Thinking words: {', '.join(WORDS)}.",
        f"The page shows the first {PAGE_PROBLEMS} problems; the CSV counts all." * (problems > PAGE_PROBLEMS),
    )
    account = account_of(tables, runs, RESAMPLING, missing=missing, notes=tuple(filter(None, notes)))
    heading = title("Change of token probabilities through training", tables.scale)
    caption = (
        "Probability of each token of the trained model's own response, minus its probability under the "
        "reference model on the same text. Blue with a dotted line below: lower; red with a solid line: "
        "higher; white: unchanged; darker: larger. Stages by position in the think part: Open (first "
        "sentence), Initial (to 25 %), Intermediate (25 to 75 %), Final (rest and solution). "
        f"{account.text()}"
    )
    return Figure(
        title=heading,
        caption=caption,
        picture=_picture(responses, runs, numbers, heading),
        numbers=numbers,
        facts=account.facts(),
        page=partial(page, heading, caption, page_data(responses, runs)),
    )


def page_data(responses: Sequence[Response], runs: Sequence[Run]) -> dict[str, Any]:
    """The data of `token_page.page` for the first problems."""
    problems = sorted({response.example for response in responses})[:PAGE_PROBLEMS]
    about = {one.example: {"prompt": one.prompt, "gold": one.gold} for one in responses if one.example in problems}
    by_run: dict[str, dict[str, dict[str, Any]]] = {}
    for response in responses:
        if response.example in problems:
            by_run.setdefault(response.run, {})[response.example] = {
                "tokens": list(response.tokens),
                "stage": response.stage.tolist(),
                "thinking": response.thinking.astype(int).tolist(),
                "correct": response.correct,
                "trained": _rounded(response.trained),
                **{name: _rounded(values) for name, values in response.references.items()},
            }
    models = [
        {"run": run.name, "label": run.label, "references": list(_references(responses, run))}
        for run in runs
        if run.name in by_run
    ]
    labels = {name: label for name, (_, label) in REFERENCES.items()}
    data = {"stages": list(STAGES), "models": models, "references": labels}
    return data | {"problems": about, "responses": by_run}


def _rounded(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.nan_to_num(values).round(3)]


def _references(responses: Sequence[Response], run: Run) -> dict[str, None]:
    return dict.fromkeys(n for r in responses if r.run == run.name for n in r.references)


def _picture(responses: Sequence[Response], runs: Sequence[Run], numbers: pd.DataFrame, heading: str) -> Picture:
    """Coloured text per run above, points with intervals below."""
    shared = [{r.example for r in responses if r.run == run.name} for run in runs]
    common = sorted(set.intersection(*filter(None, shared))) if any(shared) else []
    probed = {name for response in responses for name in response.references}
    responses = [r for r in responses if common and r.example == common[0]]
    placed = [_placed(response) for response in responses]
    lines = [1 + max((line for line, *_ in pieces), default=0) for pieces in placed] or [2]
    upper_height = sum(INCHES_PER_LINE * count + 0.33 for count in lines) + 0.65
    upper_height += 0.14 * len(_problem(responses))
    picture = Picture(figsize=(FULL, upper_height + 2.1))
    upper, lower = picture.subfigures(2, 1, squeeze=False, height_ratios=[upper_height, 2.1])[:, 0]
    panels = upper.subplots(len(lines), 1, squeeze=False, height_ratios=lines)[:, 0]
    labels = {run.name: run.label for run in runs}
    for where, response, pieces, count in zip(panels, responses, placed, lines, strict=False):
        reference = REFERENCES[_first_reference(response)][1]
        verdict = {True: ", right", False: ", wrong", None: ""}[response.correct]
        where.set_title(f"{labels[response.run]}{verdict}; minus {reference}")
        where.set(xlim=(0, LINE_CHARACTERS), ylim=(count, 0), xticks=[], yticks=[])
        where.grid(False)
        where.spines[:].set_visible(False)
        for piece in pieces:
            _token(where, *piece)
    if not responses:
        no_data(panels[0], "no token probe")
    points = lower.subplots(1, len(REFERENCES), sharey=True, squeeze=False)[0]
    _points(points, runs, numbers, probed)
    scale = ScalarMappable(Normalize(-FULL_CHANGE, FULL_CHANGE), COLORS)
    bar = upper.colorbar(scale, ax=panels.tolist(), location="bottom", shrink=0.5, aspect=40, extend="both")
    bar.set_label("change of probability (dotted line: lower, solid line: higher)")
    picture.suptitle("\n".join([heading, *_problem(responses)]), x=0.01, ha="left")
    return picture


def _problem(responses: Sequence[Response]) -> list[str]:
    """Id, prompt and gold answer in a few short lines."""
    if not responses:
        return []
    first = responses[0]
    prompt = shorten(visible(first.prompt), PROMPT_LINES * LINE_CHARACTERS, placeholder=" …")
    gold = f"; answer {visible(first.gold)}" if first.gold else ""
    return [f"Problem {visible(first.example)}{gold}", *wrap(prompt, LINE_CHARACTERS)]


def _first_reference(response: Response) -> str:
    return next(name for name in REFERENCES if name in response.references)


def visible(text: str) -> str:
    """Control characters as their pictures, what else cannot be drawn as an escape: no picture holds them."""
    pictures = {code: chr(0x2400 + code) for code in range(32)} | {10: "⏎", 127: chr(0x2421)}
    return terminal(text.translate(pictures))


def _placed(response: Response) -> list[tuple[int, int, str, float | None, bool]]:
    """Pieces of text as (line, column, text, change, is thinking word); a stage's name has no change.

    At most PANEL_LINES lines: of a longer response an excerpt of every stage.
    """
    change = response.change(_first_reference(response))
    line, column, stage = 0, 0, -1
    placed: list[tuple[int, int, str, float | None, bool]] = []
    for index in _excerpt(response):
        pieces = [(visible(response.tokens[index]), change[index])]
        if response.stage[index] != stage:
            stage = response.stage[index]
            pieces.insert(0, (f"{'  ' if column else ''}{STAGES[stage]}: ", None))
        for text, value in pieces:
            if column + len(text) > LINE_CHARACTERS:
                line, column, text = line + 1, 0, text.lstrip() if value is None else text
            if line >= PANEL_LINES:
                return placed
            placed.append((line, column, text, value, bool(response.thinking[index])))
            column += len(text)
    return placed


def _token(where: Axes, line: int, column: int, text: str, value: float | None, strong: bool) -> None:
    width = len(text)
    if value is not None:
        color = COLORS(0.5 + 0.5 * np.clip(value / FULL_CHANGE, -1, 1))
        where.add_patch(Rectangle((column, line + 0.08), width, 0.84, facecolor=color, edgecolor="none"))
        if abs(value) >= UNCHANGED:
            where.plot(
                [column, column + width], [line + 0.93] * 2, color=BLACK, lw=0.8, ls=(0, (1, 1.2)) if value < 0 else "-"
            )
    where.text(
        column,
        line + 0.5,
        text,
        family="DejaVu Sans Mono",
        fontsize=6,
        va="center_baseline",
        weight="bold" if strong or value is None else "normal",
        color=GREY if value is None else BLACK,
    )


def _excerpt(response: Response) -> list[int]:
    """All tokens if they fit, else for each stage as many around its first thinking word as fit."""
    lengths = np.array([len(token) for token in response.tokens])
    room = LINE_CHARACTERS * (PANEL_LINES - 1) - 16 * len(STAGES)
    if lengths.sum() <= room:
        return list(range(len(lengths)))
    kept: list[int] = []
    for stage in range(len(STAGES)):
        members = np.flatnonzero(response.stage == stage)
        words = members[response.thinking[members]]
        start = max(members[0], (words[0] if len(words) else members[0]) - 4) if len(members) else 0
        used = 0
        for index in members[members >= start]:
            used += lengths[index]
            if used > room / len(STAGES):
                break
            kept.append(int(index))
    return kept


def _points(axes: Sequence[Axes], runs: Sequence[Run], numbers: pd.DataFrame, probed: Collection[str]) -> None:
    styles = looks(runs)
    for where, (name, (_, label)) in zip(axes, REFERENCES.items(), strict=True):
        where.set_title(f"Thinking words, minus {label}")
        here = numbers[(numbers["reference"] == name) & (numbers["words"] == "thinking")]
        if here.empty:
            no_data(where, "no thinking word occurred" if name in probed else "not probed")
            continue
        for row, run in enumerate(runs):
            points = here[here["run"] == run.name].set_index("stage").reindex(STAGES)
            if points["mean"].isna().all():
                continue
            x = np.arange(len(STAGES)) + 0.16 * (row - (len(runs) - 1) / 2)
            errors = np.abs([points["mean"] - points["low"], points["high"] - points["mean"]])
            style = styles[run.name]
            where.errorbar(
                x,
                points["mean"],
                errors,
                ls="",
                marker=style.marker,
                color=style.color,
                label=run.label,
                elinewidth=0.8,
            )
        where.axhline(0, color=BLACK, lw=0.6)
        where.set_xticks(range(len(STAGES)), STAGES)
        where.set_xlim(-0.5, len(STAGES) - 0.5)
    axes[0].set_ylabel("mean change of probability")
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        axes[0].figure.legend(handles, names, loc="outside lower center", ncols=4)
