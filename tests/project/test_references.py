"""A section that somebody cites is a numbered one of docs/methods.md, and code says so where it cites one."""

import re

import pytest

ROOMS = ("red", "analysis", "workflow", "config", "slurm", "tests", "faults", "bench", "docs")
PRODUCT = ("red", "analysis", "workflow", "config", "slurm")
TEXTS = {".py", ".yaml", ".smk", ".rst", ".md", ""}
NUMBER = r"\d+(?:\.\d+)?"
CITATION = re.compile(
    rf"(?P<page>[\w./]+\.md )?(?:[Ss]ections?|§)\s*(?P<numbers>{NUMBER}(?:(?:, | and |, and ){NUMBER})*)"
)
HEADING = re.compile(rf"^##+ ({NUMBER}) ", re.MULTILINE)
POINT = re.compile(r"^(\d+)\. ", re.MULTILINE)


def numbered(page):
    """The sections of a page: a numbered heading, or `4.2` for point 2 of the list under heading 4."""
    found = set(HEADING.findall(page))
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        found |= {f"{part.split()[0]}.{point}" for point in POINT.findall(part)}
    return found


def citations(repository, rooms):
    """(file and line, the page it names or none, number)."""
    for room in rooms:
        for path in sorted((repository / room).rglob("*")):
            if path.suffix not in TEXTS or not path.is_file() or path.parent.name == "__pycache__":
                continue
            for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for match in CITATION.finditer(text):
                    for number in re.findall(NUMBER, match["numbers"]):
                        yield f"{path.relative_to(repository)}:{line}", (match["page"] or "").strip(), number


def test_every_cited_section_is_a_numbered_one(repository):
    known = numbered((repository / "docs" / "methods.md").read_text(encoding="utf-8"))
    found = list(citations(repository, ROOMS))
    assert len(found) > 5
    lost = [f"{where}: section {number}" for where, _, number in found if number not in known]
    assert not lost, "no such section in docs/methods.md"


def test_code_names_the_page_that_it_cites(repository):
    """A docstring stands alone: the equation or fact in words, and at most this one page for the rest."""
    found = [(where, page.rpartition("/")[2], number) for where, page, number in citations(repository, PRODUCT)]
    others = [f"{where}: {page} section {number}" for where, page, number in found if page != "methods.md"]
    assert not others, "write `docs/methods.md section N`, or the fact itself"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as in " + "section 4.2.", [("", "4.2")]),
        ("docs/methods.md " + "sections 0.2 and 12.3)", [("docs/methods.md ", "0.2"), ("docs/methods.md ", "12.3")]),
        ("(" + "§12)", [("", "12")]),
        ("in section `cluster`", []),
    ],
)
def test_citations_are_found(text, expected):
    found = [(m["page"] or "", number) for m in CITATION.finditer(text) for number in re.findall(NUMBER, m["numbers"])]
    assert found == expected


def test_a_point_of_a_list_is_a_section():
    assert numbered("# Page\n## 3 DAPO\n1. a\n2. b\n## 12 RED\n### 12.1 Objective\n") == {
        "3",
        "3.1",
        "3.2",
        "12",
        "12.1",
    }
