"""Labels, ids and lines of logs in every format that the project writes, read back by a parser of the format."""

import csv as spreadsheets
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import strategies as st

from analysis.listing import Listed
from analysis.output.item import Cell, Figure, Row, Table
from analysis.output.item_page import page
from analysis.output.token_page import page as token_page
from analysis.output.write import LEGEND, PAPER, csv, latex, markdown, pictures
from analysis.parts.style import canvas, legend_below
from analysis.report import curves
from analysis.report.made import Made
from analysis.report.page import page as report
from red.__main__ import main
from red.escape import html, terminal, visible
from red.evaluation.presentation import Summary, show, write
from red.evaluation.summary import Score
from red.plumbing.card import card
from red.plumbing.progress import GenerationProgress, StepProgress
from red.plumbing.provenance import ROOT
from red.statistics.intervals import Errors, Interval
from red.tables.compare import Comparison, Curve, Flip, PairedTest
from red.tables.compare import markdown as comparison_markdown
from tests.faults import fuzz
from tests.faults.case import named
from tests.faults.formats import Elements, check_cell, read_latex, rendered
from tests.faults.payloads import LABELS
from tests.fixtures.synthetic import write as synthetic

pytestmark = pytest.mark.faults("hostile output")
EXAMPLES = max(15, fuzz.EXAMPLES // 4)
holds = partial(fuzz.holds, examples=EXAMPLES)
PIECES = "< > & \" ' / [ ] ( ) { } | ` * _ ~ # + - = ! . : ; $ \\ % ^ @ x 1. é 漢 <b> :bug:"
UNSEEN = (" ", "\n", "\t", "\r", "\u2028", "\x1b]0;x\x07", "\x1b[31m", "\x00", "\u202e")
PARTS = st.sampled_from((*PIECES.split(), *UNSEEN)) | st.text(max_size=2)
TEXT = st.sampled_from(LABELS) | st.lists(PARTS, max_size=20).map("".join)
SHOWN = TEXT.filter(lambda text: visible(text) != "")


@pytest.fixture(autouse=True)
def examples(remark) -> None:
    """As many for each format."""
    remark(f"{EXAMPLES} examples")


def table(label: str) -> Table:
    """The label wherever a label, a problem or a caption can be."""
    cells = (Cell(label, label, label, "best"), Cell(label))
    rows = (Row(label, cells, label), Row(label, cells, label))
    return Table(label, label, label, (label, label), rows, pd.DataFrame({label: [label]}), ((label, 2),))


@holds("labels in a page", label=SHOWN)
def test_html(label: str):
    run = {"label": label, "steps": label, "versions": {label: {"code": label}}}
    found = Elements(page(table(label), "x", {"title": label, "caption": label, "runs": [run]}, {"csv": label})).texts
    text = visible(label)
    first, interval = f"{text}{text}paper {text}", text
    assert found[0].strip() == text
    # Above the columns nothing and the span, then three heads, the group, and twice a label with its cells.
    assert found[1:13] == ["", text, *[text] * 3, text, *[text, first, interval] * 2] and text in found[13:]


@holds("labels in Markdown", label=SHOWN)
def test_markdown(label: str):
    found, text = rendered(markdown(table(label))), visible(label)
    cells = [content for block, content in found if block in ("th_open", "td_open")]
    line = [text, f"{text}{text}paper {text}", text]
    assert cells == [text, f"{text} {text}", f"{text} {text}", text, "", "", *line, *line]
    assert found[0] == ("paragraph_open", text)
    captions = [content for block, content in found if block == "paragraph_open"]
    assert captions[1] == visible(f"{label} {LEGEND} {PAPER}")


def score(label: str) -> Score:
    """One line of a summary."""
    interval, errors = Interval(0.5, 0.4, 0.6), Errors(0.1, 0.1, 0.1)
    numbers = {name: 0.5 for name in ("first", "lenient", "majority", "length", "truncated", "unparsed")}
    numbers |= {"length_right": 1.0, "length_wrong": 2.0}
    about = ("x", label, "math", "pass_at_1", 3, 1, interval, errors)
    return Score(*about, pass_at={}, reasons={}, unreadable=1, **numbers)


@holds("labels in a summary", label=SHOWN)
def test_summary(label: str, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.getbasetemp()
    write(Summary(label, {}, [score(label)]), folder)
    (_, heading), *found = rendered((folder / "summary.md").read_text(encoding="utf-8"))
    assert heading == visible(label)
    assert ("td_open", visible(label)) in found


@holds("ids, names and questions in a comparison", label=SHOWN)
def test_comparison(label: str):
    test = PairedTest(label, 3, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 1.0)
    curve, flip = Curve(label, (0.1, 0.2), None), Flip(label, label, 1.0, 0.0)
    comparison = Comparison((label, label), (1, 1), (test,), (curve,), (flip,))
    found, text = rendered(comparison_markdown(comparison, 5, {(label, label): label})), visible(label)
    assert found[0] == ("heading_open", f"{text} against {text}")
    assert ("td_open", text) in found
    assert found[-1][1] == visible(f"{label} {label}: 100 against 0. {label}")


@holds("names in a model's card", label=SHOWN)
def test_card(label: str):
    text = card({"run": label, "method": "red", "seed": 1, "init_from": label}, label, 1, label)
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["tags"] == ["recall-extend-dynamics", "red"]
    found = rendered(body[: body.index("Inputs with their hashes")])
    assert ("td_open", visible(label)) in found and found[0] == ("heading_open", f"{visible(label)}, seed 1")


@holds("labels in LaTeX", label=SHOWN)
def test_latex(label: str):
    text, lines = visible(label), latex(table(label), "x").splitlines()
    (caption,) = (line for line in lines if line.startswith(r"\caption[{"))
    short, _, long = caption.removeprefix(r"\caption[{").removesuffix("}").partition(r"}]{\scriptsize ")
    assert read_latex(short) == text
    explained = read_latex(long)
    assert explained == f"{text}. {visible(f'{label} {LEGEND} {PAPER}')}"
    rows = [line for line in lines if r"\begin{tabular}[t]" in line]
    assert len(rows) == 2
    for row in rows:
        name, stack, plain = row.removesuffix(r" \\").split(" & ")
        assert not name.startswith(("[", "*")), "read as the length or the star of the line above"
        assert read_latex(name) == read_latex(plain) == text
        bold = stack.removeprefix(r"\begin{tabular}[t]{@{}c@{}}\textbf{").partition(r"}\\\scriptsize ")[0]
        assert read_latex(bold) == text


@holds("labels in CSV", label=TEXT)
def test_csv(label: str):
    text = csv(pd.DataFrame({label or "x": [label, "-0.5"], "number": [-1.0, 2.0]}))
    (head, _), (cell, number), last = spreadsheets.reader(io.StringIO(text, newline=""), strict=True)
    assert cell.removeprefix("'") == terminal(label).removeprefix("'") and number == "-1" and last == ["-0.5", "2"]
    assert head.removeprefix("'") == terminal(label or "x").removeprefix("'")
    check_cell(head)
    check_cell(cell)


@named("labels in a figure: drawn as they are, formulas too")
def test_figure():
    """As a title, a legend, ticks and texts. A broken formula would raise; the SVG is read back."""
    labels = [visible(label) for label in LABELS if visible(label) and not label.startswith("_")]
    picture, axes = canvas(1, 1, 12.0)
    where = axes[0][0]
    for place, label in enumerate(labels):
        where.plot([0, 1], [place, place], label=label)
        where.annotate(label, (0.5, place))
    where.set_yticks(range(len(labels)), labels)
    where.set(title=labels[-1], xlabel=labels[0])
    legend_below(picture, [where])
    picture.suptitle("$\\frac{ $ x")
    files = pictures(Figure("x", "x", picture, pd.DataFrame()))
    root = ElementTree.fromstring(files["svg"])
    assert root.tag.endswith("svg") and files["png"] and files["pdf"].startswith(b"%PDF")


@holds("labels on a token page", label=TEXT)
def test_token_page(label: str):
    """The data is one script element that holds JSON and ends where it should; the other is ours."""
    data = {"stages": [label], "models": [], "references": {label: label}, "responses": {label: label}}
    data |= {"problems": {label: label}}
    text = token_page(label, label, data, {"csv": label})
    inside = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert [json.loads(part) for part in inside] == [data]
    assert len(re.findall("<script", text, re.IGNORECASE)) == 2
    assert "<h1>" in text and not re.search(r"<(img|svg|b|iframe)\b", text)


@holds("labels on the report's front page", label=TEXT, group=TEXT)
def test_front_page(label: str, group: str):
    """In the outcome, the claims, the curves and the files; beside our own no script, and none that ends early."""
    cells = [{"text": text} for text in ("Table 2", "P1", group, label, label, "0.1", "1", "1")]
    columns = ("Where", "Needs", "Verdict", "Measured", "Shown if", "p", "Detectable", "Seeds")
    shown = {"stub": label, "columns": columns, "spans": (), "rows": [{"label": label, "group": group, "cells": cells}]}
    run = {"run": label, "label": label, "steps": 1, "seeds": [0]}
    facts = {
        "scale": label,
        "caption": label,
        "missing": [label],
        "verdicts": {group: 1},
        "runs": [run],
        "table": shown,
    }
    claims = Made("claims", Listed("table", label, label), facts, {"json": label.encode("utf-8", "replace")})
    curve = curves.Curve(label, label, "#000000", 0, label, np.array([0]), np.array([1.0]))
    text = report([claims], curves.packed([curve]))
    assert len(re.findall("<script", text, re.IGNORECASE)) == 3
    assert not re.search(r"<(svg|iframe|b class|img src=x)\b", text)
    inside = re.findall(r'<script type="application/json" id="curves-data">(.*?)</script>', text, re.DOTALL)
    assert [json.loads(part)["metrics"] for part in inside] == [[label]]
    assert not visible(label) or f">{html(label)}<" in text


def printed(call: Callable[[], object]) -> str:
    """What a call prints on standard output; only lines of printable characters."""
    stream = io.StringIO()
    with redirect_stdout(stream):
        call()
    assert all(line.isprintable() for line in stream.getvalue().split("\n")), stream.getvalue()
    return stream.getvalue()


@holds("labels in the table of a terminal", label=TEXT)
def test_terminal(label: str):
    text = printed(lambda: show(Summary("title", {}, [score(label)])))
    assert terminal(label)[:8].rstrip() in text


class Screen(io.StringIO):
    """What programs take for a terminal."""

    def isatty(self) -> bool:
        return True


@holds("names in the progress of a terminal", label=TEXT)
def test_progress(label: str):
    """Beside the sequences that move the cursor and set colours, which are ours."""
    screen = Screen()
    with redirect_stderr(screen), StepProgress(label, 1) as steps, GenerationProgress(label, 1, 0) as answers:
        steps.report(0, {})
        answers.advance(1)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", "", screen.getvalue())
    assert shown.isprintable() and "\x1b[31m" not in screen.getvalue()
    assert terminal(label)[:8].strip() in shown


@named("status: an escape sequence in a log, and markup, are shown as text")
def test_status(tmp_path: Path, remark):
    log = tmp_path / "logs" / "train" / "sft" / "seed0.log"
    log.parent.mkdir(parents=True)
    log.write_text("ValueError: \x1b]0;owned\x07\x1b[31m [/b] [bold]x :bug:\n", encoding="utf-8")
    places = {name: str(tmp_path / name) for name in ("results", "logs", "benchmarks")}
    overlay = {"only": ["sft"], "seeds": [0], "probes": {}, "pathvars": places}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    with chdir(ROOT):
        text = printed(lambda: main(["status", "--configfile", str(tmp_path / "overlay.yaml")]))
    line = r"sft seed 0: train: ValueError: \x1b]0;owned\x07\x1b[31m [/b] [bold]x :bug:"
    assert line in text, text
    remark(line)


@named("compare: hostile names and questions in the terminal and in Markdown")
def test_compare(tmp_path: Path, remark):
    collected = synthetic(tmp_path / "collected", steps=5, fraction=0.1)
    scores = pd.read_parquet(collected / "scores.parquet")
    scores["problem"] += LABELS[0] + "\x1b[31m [/b]"
    scores.to_parquet(collected / "scores.parquet", index=False)
    arguments = ["compare", "red", "grpo", "--results", str(tmp_path), "--out", str(tmp_path / "x.md")]
    text = printed(lambda: main(arguments))
    assert r"<script>window.pwned=1;document.title='PWNED'</script>\x1b[31m [/b]:" in text
    remark(f"{len(rendered((tmp_path / 'x.md').read_text(encoding='utf-8')))} texts read back")


@named("terminals: no console reads markup")
def test_consoles():
    makers = [path for path in (ROOT / "red").rglob("*.py") if "Console(" in path.read_text(encoding="utf-8")]
    assert [path.name for path in makers] == ["terminal.py"]
