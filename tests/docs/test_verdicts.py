"""The table of docs/evaluate.md: what is the same answer and what is not, by its own examples."""

import re
from pathlib import Path

import pytest

from red.grading.grader import Case, Grader

# What the page shows, in one of its columns; an answer, a gold.
SAME = (
    ("sqrt(x)", r"\sqrt{x}", "sqrt(x)"),
    ("where n > 0", "4n where n > 0", "4n"),
    ("`120, 150` or `150, 120`", "120, 150", "150, 120"),
    ("y=2, x=1", "y=2, x=1", "(1,2)"),
    ("1/2, 0.5", "1/2", "0.5"),
    (r"50\%", r"50\%", "0.5"),
    (r"0.\overline{3}", r"0.\overline{3}", "1/3"),
    ("4 million", "4 million", "4000000"),
    ("number words", "twelve", "12"),
    ("without one", "5", r"5 \text{ m/s}"),
    ("x<1 or x>3", "x<1 or x>3", r"(-\infty,1)\cup(3,\infty)"),
    ("6>x>-1", "6>x>-1", "(-1,6)"),
    ("a congruence", r"x\equiv 8 \pmod{3}", r"x\equiv 2 \pmod{3}"),
    ("16:05 and 4:05 p.m.", "16:05", "4:05 p.m."),
    ("3:4 and 6:8", "3:4", "6:8"),
    (r"\cos 60^\circ", r"\cos 60^\circ", "1/2"),
    ("a word in any case", "Paris", "paris"),
    ("`ab` and `ba`", "ab", "ba"),
    ("S = 3+4 = 7", "S = 3+4 = 7", "7"),
    (r"\pi\approx 3.14", r"\pi\approx 3.14", r"\pi"),
    (r"\pi\approx 3.14", r"\pi\approx 3.14", "3.14"),
    ("x+y = 5", "x+y = 5", "5"),
    ("&#124;z&#124; = 5", "|z| = 5", "5"),
    (r"1\text{ km} = 1000", r"1\text{ km} = 1000", "1000"),
    (r"2\pi n, n\in\mathbb{Z}", r"2\pi n, n\in\mathbb{Z}", r"2\pi k, k\in\mathbb{Z}"),
    ("x=1, y=2", "x=1, y=2", "1, 2"),
)
OTHER = (
    ("under a condition", "4n if n > 0", "4n"),
    ("`120, 150` and 120150", "120, 150", "120150"),
    ("a part of a list", "120", "120, 150"),
    ("a tuple in another order", "(2,1)", "(1,2)"),
    ("a rounded number", "0.33", "1/3"),
    (r"0.5\%", r"0.5\%", "0.5"),
    ("a dozen", "a dozen", "12"),
    ("a half", "a half", "1/2"),
    ("`m/s` and `km/h`", "5 km/h", "5 m/s"),
    ("`kg` and a bare `g`", "5 kg", "5 g"),
    (r"`\$5` and 5 cents", r"\$5", "5 cents"),
    ("5° and 5 rad", r"5^\circ", "5 rad"),
    ("8th", "8th", "8"),
    ("5 tenths", "5 tenths", "5"),
    ("open and closed ends", "x<=1", "x<1"),
    ("another variable", "y<1", "x<1"),
    ("x<1 and x>3", "x<1 and x>3", r"(-\infty,1)\cup(3,\infty)"),
    ("a.m. and p.m.", "4:05 a.m.", "4:05 p.m."),
    ("12:30 and 12/30", "12:30", "12/30"),
    (r"\sin 30", r"\sin 30", "1/2"),
    ("`AB` and `ab`", "AB", "ab"),
    ("`listen` and `silent`", "listen", "silent"),
    ("8=7", "8=7", "7"),
    (r"7\approx 8", r"7\approx 8", "8"),
    ("2x = 5", "2x = 5", "5"),
    ("over N instead of Z", r"2\pi n, n\in\mathbb{N}", r"2\pi n, n\in\mathbb{Z}"),
    ("2, 1", "2, 1", "x=1, y=2"),
    ("0, 1", "0, 1", "[0,1]"),
)


@pytest.fixture(scope="module")
def columns(repository: Path) -> tuple[str, str]:
    """The table's two, without their headings."""
    page = (repository / "docs" / "evaluate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE)[1:]
    same, other = zip(*rows, strict=True)
    return "\n".join(same), "\n".join(other)


@pytest.mark.parametrize(("examples", "column", "correct"), [(SAME, 0, True), (OTHER, 1, False)])
def test_the_table_says_what_the_grader_does(columns, examples, column, correct):
    assert [shown for shown, *_ in examples if shown not in columns[column]] == []
    with Grader() as grader:
        verdicts = list(grader.grade([Case(f"\\boxed{{{answer}}}", gold) for _, answer, gold in examples]))
    assert [one for one, verdict in zip(examples, verdicts, strict=True) if verdict.correct != correct] == []
