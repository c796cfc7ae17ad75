"""The tables compile as they are; skipped where no LaTeX is installed."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from analysis.items import claims, premises, propositions
from analysis.output.item import Cell, Row, Table
from analysis.output.write import latex
from red.tables.reader import Tables

GREEK = "αβγδεζηθικλμνξπρστυφχψω ΔΣ ∇ √ ∈ ∞ ± × · ≤ ≥ → − – — … † ‡"
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,xcolor,graphicx}
\errorcontextlines=9
\begin{document}
%s
\end{document}
"""


def compiled(folder: Path, *tables: str) -> str:
    """The log of pdflatex, which has to end well."""
    if (program := shutil.which("pdflatex")) is None:
        pytest.skip("no pdflatex (Debian: texlive-latex-base, texlive-latex-recommended)")
    (folder / "x.tex").write_text(DOCUMENT % "\n\\clearpage\n".join(tables), encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def large(rows: int, columns: int) -> Table:
    """Wider and higher than a page, with every sign that a cell can have."""
    cell = Cell("41.2", "[39.8, 42.6]", "41.6", "highest")
    lines = tuple(
        Row(f"{GREEK[i % 23]}: 50 % of x_{i} & [b]", (cell,) * columns, f"Group {i // 9}") for i in range(rows)
    )
    heads = tuple(f"c_{index}" for index in range(columns))
    return Table("Large", GREEK, "Run", heads, lines, pd.DataFrame(), (("AMC*", 2), ("", columns - 2)))


def test_tables_of_texts_and_greek_letters_compile(study: Tables, tmp_path: Path):
    tables = [latex(item.build(study), item.__name__.rpartition(".")[2]) for item in (claims, premises, propositions)]
    log = compiled(tmp_path, *tables, latex(Table(GREEK, GREEK, GREEK, (), (), pd.DataFrame()), "greek"))
    assert "Float too large" not in log


def test_a_table_larger_than_a_page_is_set_smaller(tmp_path: Path):
    log = compiled(tmp_path, latex(large(60, 14), "large"))
    assert "Float too large" not in log and "Overfull" not in log
