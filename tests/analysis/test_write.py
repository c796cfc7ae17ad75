"""LaTeX and Markdown of tables: escaping, marks, headings."""

import pandas as pd

from analysis.output.item import Cell, Row, Table
from analysis.output.write import LEGEND, csv, latex, markdown


def table(*cells: Cell, group: str = "", label: str = "RED") -> Table:
    columns = tuple(f"c{index}" for index in range(len(cells)))
    return Table("Title", "Caption.", "Run", columns, (Row(label, cells, group),), pd.DataFrame({"a": [1]}))


def test_marks_differ_between_supported_and_unsupported_ranks():
    marked = table(Cell("1", mark="best"), Cell("2", mark="second"), Cell("3", mark="highest"), Cell("4", mark="next"))
    assert r"RED & \textbf{1} & \underline{2} & 3$^\dagger$ & 4$^\ddagger$ \\" in latex(marked, "x")
    assert "| RED | **1** | <u>2</u> | 3† | 4‡ |" in markdown(marked)
    assert LEGEND.split("(")[0] in markdown(marked)


def test_a_caption_explains_the_signs_that_the_table_has_and_no_others():
    for written in (markdown, lambda table: latex(table, "x")):
        plain, reported, marked = (
            written(table(cell)) for cell in (Cell("1"), Cell("1", "", "2"), Cell("1", mark="best"))
        )
        assert "Underlined" not in plain and "printed there" not in plain
        assert "Underlined" not in reported and "printed there" in reported
        assert "Underlined" in marked and "printed there" not in marked


def test_the_papers_number_is_grey_and_below():
    text = latex(table(Cell("41.2", "[39.8, 42.6]", "41.6")), "x")
    stack = r"41.2\\\scriptsize {}[39.8, 42.6]\\\scriptsize\color{gray}paper 41.6"
    assert rf"\begin{{tabular}}[t]{{@{{}}c@{{}}}}{stack}\end{{tabular}}" in text
    assert "41.2<br><sub>\\[39.8, 42.6\\]</sub><br><sub>*paper 41.6*</sub>" in markdown(
        table(Cell("41.2", "[39.8, 42.6]", "41.6"))
    )


def test_special_characters_are_text_in_both():
    hostile = table(Cell("a|b"), label=r"50 % of $x_1$ & \evil{} <b>")
    assert r"50 \% of \$x\_1\$ \& \textbackslash{}evil\{\} $<$b$>$" in latex(hostile, "x")
    assert r"50 % of \$x\_1\$ &amp; \\evil{} &lt;b&gt; | a\|b |" in markdown(hostile)


def test_a_group_is_headed_once():
    cells = (Cell("1"),)
    rows = (Row("a", cells, "RED"), Row("b", cells, "RED"), Row("c", cells, "Controls"))
    two = Table("Title", "Caption.", "Run", ("c",), rows, pd.DataFrame())
    assert markdown(two).count("*RED*") == 1
    assert latex(two, "x").count(r"\textit{") == 2


def test_spans_head_their_columns():
    spanned = Table(
        "T", "C.", "Run", ("Acc", "LEN"), (Row("a", (Cell("1"), Cell("2"))),), pd.DataFrame(), (("AMC*", 2),)
    )
    assert r"\multicolumn{2}{c}{AMC*}" in latex(spanned, "x")
    assert r"| Run | AMC\* Acc | AMC\* LEN |" in markdown(spanned)


def test_csv_has_six_digits_and_empty_cells_for_nothing():
    assert csv(pd.DataFrame({"a": [1 / 3, None]})) == 'a\n0.333333\n""\n'
