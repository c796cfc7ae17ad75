"""The modules behind a module."""

import pytest

from red.sources import sources


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
    assert sources("p.a", within=["p"], root=package) == ["p/__init__.py", "p/a.py", "p/b.py", "p/c.py", "p/d.py"]


def test_nothing_outside_of_the_packages_is_followed(package):
    assert sources("q.e", within=["q"], root=package) == ["q/__init__.py", "q/e.py"]


def test_a_package_brings_all_its_modules(package):
    assert "p/unused.py" in sources("p", within=["p"], root=package)


def test_a_first_module_must_exist(package):
    with pytest.raises(ImportError, match=r"p\.zzz"):
        sources("p.zzz", within=["p"], root=package)


def test_a_method_depends_on_the_methods_it_imports_only():
    found = sources("red.methods.chord_phi", within=["red.methods"])
    assert "red/methods/chord_mu.py" in found
    assert "red/methods/red.py" not in found
