"""docs/methods.md names every constant once; code and shipped configuration have the same ones."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction

import pytest
import yaml

from red import methods
from red.methods.base import Method
from red.methods.row import COLUMNS, row, source
from red.plumbing.records import from_mapping
from red.study import config
from red.training.spec import Training

SNIPPET = re.compile(r"`([^`]+)`")
SECTION = re.compile(r"^#+ (\d+(?:\.\d+)?) ", re.MULTILINE)
SCALES = {"tiny": ["default.yaml"], "paper": ["default.yaml", "paper.yaml"]}


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "methods.md").read_text()


def rows(page, section):
    """Cells of the table in that section, without its head."""
    text = re.split(rf"^#+ {re.escape(section)} .*$", page, flags=re.MULTILINE)[1]
    lines = [line for line in re.split(r"^#", text, flags=re.MULTILINE)[0].splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"section {section} has no table"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def value(text):
    """As YAML has it; 512/8192 is a fraction."""
    found = yaml.safe_load(text) if isinstance(text, str) else text
    return float(Fraction(found)) if isinstance(found, str) and re.fullmatch(r"\d+/\d+", found) else found


def flat(nested, path=""):
    """Dotted names; a part that is switched off is one None."""
    if is_dataclass(nested):
        nested = {f.name: getattr(nested, f.name) for f in fields(nested)}
    if not isinstance(nested, Mapping):
        return {path: list(nested) if isinstance(nested, tuple) else value(nested)}
    return {k: v for name, below in nested.items() for k, v in flat(below, f"{path}.{name}" if path else name).items()}


def settings(method):
    """Every constant of a method."""
    return {name.removeprefix("objective."): found for name, found in flat(method).items()}


def changed(base, written):
    """`base` with other settings. A part that is switched on is no longer None; one that is off has no settings."""
    on = {name.partition(".")[0] for name in written if "." in name}
    off = {name for name, found in written.items() if found is None}
    return {k: v for k, v in base.items() if k not in on and k.partition(".")[0] not in off} | written


def named(cell):
    """(the method or run that a cell starts from, its settings)."""
    found = SNIPPET.findall(cell)
    own = [snippet for snippet in found if ":" not in snippet]
    written = {}
    for snippet in found:
        if ":" in snippet:
            written |= flat(yaml.safe_load(snippet))
    return (own[0] if own else None), written


@pytest.fixture(scope="module")
def defaults(page):
    return {name.strip("`"): value(default.strip("`")) for name, default, *_ in rows(page, "14.1")}


@pytest.fixture(scope="module")
def tabled(page, defaults):
    """All constants of every method, from the page."""
    found = {}
    for name, cell, _ in rows(page, "14.2"):
        like, written = named(cell)
        found[name.strip("`")] = changed(found[like] if like else defaults, written)
    return found


@pytest.mark.parametrize("section", ["14.1", "14.2", "14.3", "14.4"])
def test_every_constant_has_a_source(section, page):
    table = rows(page, section)
    assert len({len(cells) for cells in table}) == 1
    assert [cells[0] for cells in table if not cells[-1]] == []


def test_the_table_of_methods_is_what_the_specs_say(page):
    """Made from them: where this fails, put the table that it shows into section 13.2."""
    rows_of = {name: (f"`{name}`", *row(name, methods.method(name), 8)) for name in methods.names()}
    lines = [("method", *COLUMNS), ("---",) * (1 + len(COLUMNS)), *rows_of.values()]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    assert table in page, table


@pytest.mark.parametrize("name", methods.names())
def test_every_method_says_where_it_is_from(name):
    assert source(name)


def test_the_defaults_are_those_of_the_page(defaults):
    assert settings(Method()) == defaults


def test_every_method_is_on_the_page(tabled, page):
    missing = sorted(set(methods.names()) - tabled.keys())
    assert not missing, f"{', '.join(missing)}: add a row to section 14.2 of docs/methods.md"
    assert tuple(sorted(tabled)) == methods.names()


@pytest.mark.parametrize("name", methods.names())
def test_constants_of_a_method_are_those_of_the_page(name, tabled):
    assert settings(methods.method(name)) == tabled[name]


@pytest.mark.parametrize("scale", SCALES)
def test_constants_of_every_shipped_run_are_those_of_the_page(scale, page, tabled, repository):
    document: dict = {}
    for name in SCALES[scale]:
        document = config.overlaid(document, config.read_yaml(repository / "config" / name))
    document = config.select({**document, "rates": None})  # chosen by a sweep, not by a source
    column = list(SCALES).index(scale)
    common = {name.strip("`"): value(cells[column].strip("`")) for name, *cells in rows(page, "14.3")}
    assert flat(from_mapping(Training, document["common"], "common")) == common
    written = {}
    for names, *cells in rows(page, "14.4"):
        if "no such run" not in cells[1 + column]:
            method, both = named(cells[0])
            written |= {run: (method, both | named(cells[1 + column])[1]) for run in SNIPPET.findall(names)}
    assert written.keys() <= document["runs"].keys()
    for run in document["runs"]:
        spec = config.run_spec(document, run, 0)
        method, differs = written.get(run, (spec.method, {}))
        assert spec.method == method, run
        of_training = {name: found for name, found in differs.items() if name in common}
        of_method = {name: found for name, found in differs.items() if name not in common}
        assert flat(spec.training) == common | of_training, run
        built = settings(spec.build_method())
        resolved = changed(tabled[method], of_method)
        resolved["aggregation.length"] = resolved["aggregation.share"] * spec.training.max_new_tokens
        assert built == resolved, run


@pytest.mark.parametrize("scale", SCALES)
def test_the_overlay_of_divisors_changes_nothing_but_l(scale, repository):
    """Section 0.3: half and twice the common L, for the three methods whose sources left its balance to packing."""
    document = config.load(*(repository / "config" / name for name in (*SCALES[scale], "divisor.yaml")))
    for run in ("hpt", "rl_sft", "srft"):
        original = config.run_spec(document, run, 0)
        for name, factor in ((f"{run}_half", 0.5), (f"{run}_twice", 2)):
            spec = config.run_spec(document, name, 0)
            assert spec.training == original.training
            built, common = settings(spec.build_method()), settings(original.build_method())
            assert built["aggregation.length"] == factor * common["aggregation.length"]
            assert built["aggregation.length"] == built["aggregation.share"] * spec.training.max_new_tokens
            assert {k for k in built if built[k] != common[k]} == {"aggregation.length", "aggregation.share"}


def test_every_section_that_the_project_cites_is_on_the_page(page, repository):
    """A section is a heading, or a numbered point of one."""
    known = set(SECTION.findall(page))
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        number = part.split()[0]
        known |= {f"{number}.{point}" for point in re.findall(r"^(\d+)\. ", part, re.MULTILINE)}
    files = [f for room in ("red", "analysis", "config", "tests") for f in (repository / room).rglob("*.[py]*")]
    cited = {}
    for file in files:
        if file.suffix in (".py", ".yaml"):
            for group in re.findall(r"[Ss]ections? (\d+(?:\.\d+)?(?:(?:,| and) \d+\.\d+)*)", file.read_text()):
                cited |= {number: file.name for number in re.findall(r"\d+(?:\.\d+)?", group)}
    assert len(cited) > 10
    assert {number: name for number, name in cited.items() if number not in known} == {}
