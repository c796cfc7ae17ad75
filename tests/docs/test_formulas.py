"""Formulas of the docs are MathML, which a browser draws by itself; code keeps its dollars."""

import re
import runpy

import pytest

pytest.importorskip("latex2mathml", reason="needs the docs extra")


@pytest.fixture(scope="module")
def rendered(repository):
    """What the hook of mkdocs makes of a page's text."""
    return runpy.run_path(str(repository / "docs" / "formulas.py"))["on_page_markdown"]


def test_inline_and_display(rendered):
    found = rendered("where $\\beta = 0$ and\n\n$$\\frac{a}{b}$$\n")
    assert re.findall(r'display="(\w+)"', found) == ["inline", "block"]
    assert "<mfrac>" in found and "$" not in found


@pytest.mark.parametrize("text", ["`$HOME` and `$x$`", "    echo $PATH $HOME\n", "```\n$a$\n```\n", "it costs $5"])
def test_what_is_no_formula_stays(rendered, text):
    assert rendered(text) == text


def test_every_formula_of_the_docs_is_one(repository, rendered):
    pages = {path.name: path.read_text(encoding="utf-8") for path in (repository / "docs").glob("*.md")}
    found = {name: rendered(text).count("<math ") for name, text in pages.items()}
    assert found["concept.md"] > 8
    assert {name for name, count in found.items() if count} == {"concept.md"}
