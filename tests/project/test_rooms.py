"""The rooms of docs/architecture.md are those of the code: what each is, what it imports, how large it is."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PAGE = "docs/architecture.md"
FOUNDATION = {"red.confinement", "red.errors", "red.escape", "red.gpus", "red.project", "red.ranges", "red.seeds"}
MODULES, LINES = 12, 450
SAID = re.compile(r"`([^`]+)`")


def table(page, head):
    """Cells of the table whose first column has that head."""
    lines = page.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def page():
    return (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rooms(page):
    """{folder: (what it is, names of the rooms it imports)}, in the page's order."""
    found = table(page, "room")
    assert len(found) > 15
    return {folder.strip("`"): (what, [] if names == "–" else names.split(", ")) for folder, what, names in found}


@pytest.fixture(scope="module")
def exceptions(page):
    """{what: folders or files}."""
    found = {}
    for where, what, why in table(page, "where"):
        assert why
        found.setdefault(what, set()).add(where.strip("`"))
    return found


def modules(text):
    """Dotted names that a module imports. `from a import b` may name the module a.b."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path):
    if path.suffix == ".py":
        return set(modules(path.read_text(encoding="utf-8")))
    # Rules are not Python; their import statements are.
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return set(modules("\n".join(line for line in lines if re.match(r"(from [\w.]+ )?import [\w., ]+$", line))))


def files_of(path, files):
    """Those of `files` that a module takes names from: of a package its own names, or modules in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in files else node.module for name in names}
    return found & files.keys()


def room_of(module):
    """`red/training` for red.training.loop; None for other people's modules and for what stands below all rooms."""
    first, _, rest = module.partition(".")
    if first == "red":
        second = rest.partition(".")[0]
        return f"red/{second}" if second and f"red.{second}" not in FOUNDATION else None
    return first if first in ("analysis", "workflow", "tests", "faults", "bench") else None


def code(folder):
    return [p for p in sorted(folder.rglob("*")) if p.suffix in (".py", ".smk") or p.name == "Snakefile"]


def measured(repository, folder):
    """Names of the other rooms that a room imports."""
    found = {room_of(module) for path in code(repository / folder) for module in imports(path)}
    found = {room for room in found if room and (repository / room).is_dir()} - {folder}
    return {room.removeprefix("red/") for room in found}


def test_every_folder_of_the_library_is_a_room_of_the_page(repository, rooms):
    folders = {f"red/{path.name}" for path in (repository / "red").iterdir() if (path / "__init__.py").exists()}
    assert folders | {"analysis", "workflow"} == rooms.keys(), f"the table of rooms in {PAGE}"


def test_nothing_lies_loose(repository):
    foundation = {name.removeprefix("red.") for name in FOUNDATION}
    assert {path.stem for path in (repository / "red").glob("*.py")} == {"__init__", "__main__", *foundation}


def test_imports_are_those_of_the_page(repository, rooms):
    """Less is better: a new arrow needs a reason, and then a word in the table."""
    wrong = []
    for folder, (_, allowed) in rooms.items():
        found = measured(repository, folder)
        wrong += [f"{folder} imports {name}" for name in sorted(found - set(allowed))]
        wrong += [f"{folder} no longer imports {name}" for name in sorted(set(allowed) - found)]
    assert not wrong, f"import from rooms above in the table of {PAGE}, or change its row"


def test_a_room_imports_only_rooms_above_it(rooms):
    """So there is no circle."""
    order = [folder.removeprefix("red/") for folder in rooms]
    up = [
        f"{folder} imports {name}"
        for place, (folder, (_, allowed)) in enumerate(rooms.items())
        for name in allowed
        if name not in order[:place]
    ]
    assert not up


def test_no_files_import_each_other_in_a_circle(repository):
    """Imports inside of functions and those for types count too."""
    files = {}
    for folder in ("red", "analysis", "bench"):
        for path in (repository / folder).rglob("*.py"):
            parts = path.relative_to(repository).with_suffix("").parts
            files[".".join(parts).removesuffix(".__init__")] = path
    assert len(files) > 200
    graph = {name: files_of(path, files) - {name} for name, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_imports_inside_of_analysis_run_one_way(repository, page):
    folders = SAID.findall(re.search(r"^Inside of `analysis`.*?: (.*?);", page, re.MULTILINE)[1])
    assert set(folders) == {path.parent.name for path in (repository / "analysis").glob("*/__init__.py")}
    wrong = []
    for place, folder in enumerate(folders):
        allowed = set(folders[: place + (folder != "items")])
        for path in code(repository / "analysis" / folder):
            parts = [module.split(".") for module in imports(path)]
            found = {names[1] for names in parts if names[0] == "analysis" and len(names) > 1} & set(folders)
            wrong += [f"{path.stem} imports {name}" for name in sorted(found - allowed)]
    assert not wrong


def test_nothing_imports_what_is_not_part_of_the_product(repository, rooms):
    """Tests, faults and bench use the product, never the other way round."""
    outside = {"tests", "faults", "bench"}
    assert [folder for folder in rooms if measured(repository, folder) & outside] == []


def test_a_room_says_what_it_is(repository, rooms):
    """The first sentence of its docstring is the one of the page. `workflow` is no package."""
    for folder, (what, _) in rooms.items():
        assert what.endswith("."), folder
        if folder != "workflow":
            docstring = ast.get_docstring(ast.parse((repository / folder / "__init__.py").read_text()))
            assert re.split(r"(?<=\.)\s", docstring or "")[0] == what, folder


def test_folders_stay_small(repository, exceptions):
    folders = {path.parent for room in ("red", "analysis") for path in (repository / room).rglob("*.py")}
    large = {
        folder.relative_to(repository).as_posix()
        for folder in folders
        if len([path for path in folder.glob("*.py") if path.stem not in ("__init__", "__main__")]) > MODULES
    }
    assert large == exceptions["modules"], f"above {MODULES} modules: split by noun, or say why in {PAGE}"


def test_files_stay_small(repository, exceptions):
    large = {
        path.relative_to(repository).as_posix()
        for room in ("red", "analysis", "workflow", "tests", "faults", "bench")
        for path in code(repository / room)
        if ".venv" not in path.parts and len(path.read_text(encoding="utf-8").splitlines()) > LINES
    }
    assert large == exceptions.get("lines", set()), f"above {LINES} lines: split by noun, or say why in {PAGE}"


def test_every_room_has_its_tests(repository, rooms, exceptions):
    without = {
        folder for folder in rooms if not list((repository / "tests" / folder.removeprefix("red/")).rglob("test_*.py"))
    }
    assert without == exceptions["tests"], f"write tests/<room>/test_<module>.py, or say why in {PAGE}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from red.training.loop import Loop", {"red/training"}),
        ("def f():\n    import red.world.spec", {"red/world"}),
        ("from red import methods", {"red/methods"}),
        ("from red.errors import DataError\nimport torch", set()),
        ("from analysis import item", {"analysis"}),
    ],
)
def test_imports_are_found(text, expected):
    assert {room_of(module) for module in modules(text)} - {None} == expected
