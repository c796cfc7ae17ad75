"""The modules behind a module."""

import tomllib

import pytest

from red.plumbing.sources import DATA, sources


@pytest.fixture
def package(tmp_path):
    files = {
        "p/__init__.py": "",
        "p/a.py": "from p.b import x\nimport os\n",
        "p/b.py": "def f():\n    from p import c\n",
        "p/c.py": "from .d import y\n",
        "p/d.py": "y = 1\n",
        "p/unused.py": "",
        "q/__init__.py": "",
        "q/e.py": "from p.a import x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_also_inside_functions_and_relative_ones(package):
    assert sources("p.a", roots=(package,)) == ["p/__init__.py", "p/a.py", "p/b.py", "p/c.py", "p/d.py"]


def test_what_changes_no_result_is_left_out_with_all_that_it_imports(tmp_path):
    files = {"red/plumbing/a.py": "from red import deep", "red/errors.py": "", "red/deep.py": "", "red/seeds.py": ""}
    files |= {"red/commands/c.py": "from red import deep", "red/__main__.py": ""}
    files["red/b.py"] = (
        "from red.plumbing.a import x\nfrom red.errors import E\nimport red.seeds\nimport red.commands.c"
    )
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sources("red.b", roots=(tmp_path,)) == ["red/b.py", "red/seeds.py"]


def test_other_packages_of_ours_are_followed(package):
    assert sources("q.e", roots=(package,))[:2] == ["p/__init__.py", "p/a.py"]


def test_a_package_brings_all_its_modules(package):
    assert "p/unused.py" in sources("p", roots=(package,))


def test_data_files_beside_a_module_that_is_reached_count(package):
    for name in ("p/table.csv", "p/page.html", "p/notes.txt", "q/list.yaml"):
        (package / name).write_text("")
    assert {"p/table.csv", "p/page.html"} <= set(sources("p.a", roots=(package,)))
    assert not {"p/notes.txt", "q/list.yaml"} & set(sources("p.a", roots=(package,)))


def test_data_files_are_those_that_are_packaged(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    packaged = set(project["tool"]["setuptools"]["package-data"]["*"]) - {"py.typed", "*.LICENSE"}
    assert {f"*{ending}" for ending in DATA} == packaged


def test_a_first_module_must_exist(package):
    with pytest.raises(ImportError, match=r"p\.zzz"):
        sources("p.zzz", roots=(package,))


def test_a_method_depends_on_the_methods_it_imports_only():
    files = sources("red.methods.chord_phi")
    assert "red/methods/chord_mu.py" in files
    assert "red/methods/red.py" not in files
