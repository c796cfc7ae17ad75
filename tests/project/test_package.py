"""The wheel holds one package, gives away a project that works, and the DAG can be used as a module."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from red.project import FOLDERS
from tests.workflow.conftest import copy


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clean copy; setuptools is taken from this environment, so nothing is fetched."""
    pytest.importorskip("setuptools", "77", reason="needs setuptools 77 to build without network")
    root = copy(repository, tmp_path_factory.mktemp("wheel") / "source tree")
    for name in ("README.md", "LICENSE", "pyproject.toml", "setup.py"):
        (root / name).write_bytes((repository / name).read_bytes())
    out = root.parent / "dist"
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(root))
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    _pip("install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


@pytest.fixture(scope="module")
def project(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `red init` writes, away from the checkout."""
    folder = tmp_path_factory.mktemp("somewhere")
    said = red(site, "init", "my study", cwd=folder)
    assert "cd 'my study'" in said
    return folder / "my study"


def files(folder: Path) -> set[str]:
    """Of a folder, without what Python caches."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


@pytest.mark.slow
def test_the_wheel_holds_one_package_with_every_module_and_data_file(wheel: Path, repository: Path):
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in inside if ".dist-info/" not in name} == {"red"}
    assert {f"red/{name}" for name in files(repository / "red")} <= inside
    for folder in FOLDERS:
        wanted = {f"red/packaged/{folder}/{name}" for name in files(repository / folder)}
        assert wanted == {name for name in inside if name.startswith(f"red/packaged/{folder}/")}


@pytest.mark.slow
def test_an_installed_wheel_has_the_red_command(wheel: Path, tmp_path: Path):
    """In a fresh environment that sees this one's packages, away from the checkout."""
    _run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    packages = next(path for path in (tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (packages / "parent.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    _pip("--python", str(python), "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    command = str(python.with_name("red"))
    shown = _run(command, "--help", cwd=tmp_path)
    assert "compare" in shown and "train" in shown
    where = _run(str(python), "-c", "import red; print(red.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path))
    _run(command, "data", "model", "--spec", '{"size": "base", "steps": 2}', "--out", "model", cwd=tmp_path)
    assert (tmp_path / "model" / "config.json").exists()
    _run(command, "init", "study", cwd=tmp_path)


@pytest.mark.slow
def test_a_command_that_needs_a_project_says_how_to_get_one(site: Path, tmp_path: Path):
    done = _red(site, "status", cwd=tmp_path)
    said = "red status: config/default.yaml: not here; go to a project, or make one: red init DIR\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.slow
def test_a_project_has_every_file_of_the_checkout(project: Path, repository: Path):
    for folder in FOLDERS:
        assert files(project / folder) == files(repository / folder)


@pytest.mark.slow
def test_a_project_plans_and_shows_its_state(project: Path, site: Path):
    planned = _run(sys.executable, "-m", "snakemake", "-n", "all", cwd=project, environment=installed(site))
    assert "rule main_results:" in planned and "results/tiny/runs/red/seed0/checkpoint" in planned
    rows = red(site, "status", "--json", cwd=project)
    assert '"run": "red"' in rows


@pytest.mark.slow
def test_analysis_in_a_project_is_its_owners(project: Path, site: Path, collected: Path):
    """For `python -m analysis`, and for a command."""
    (project / "analysis" / "__init__.py").write_text('"""Mine."""\nprint("of the project")\n')
    assert red(site, "estimate", cwd=project).startswith("of the project")
    options = ["--collected", str(collected), "--reported", "config/reported.csv", "--out", "out"]
    said = _run(sys.executable, "-m", "analysis", "overview", *options, cwd=project, environment=installed(site))
    assert "of the project" in said and (project / "out" / "tables" / "overview.md").is_file()


@pytest.mark.slow
def test_init_replaces_nothing(site: Path, tmp_path: Path):
    """One folder that is there, and none is written; what else lies in the place stays."""
    (tmp_path / "mine" / "config").mkdir(parents=True)
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    done = _red(site, "init", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "red init: mine/config: is there already; nothing was written. Name another folder\n"
    assert files(tmp_path / "mine") == {"thesis.tex"}
    (tmp_path / "mine" / "config").rmdir()
    red(site, "init", "mine", cwd=tmp_path)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "mine"
    assert (tmp_path / "mine" / "config" / "default.yaml").is_file()


def test_init_in_a_checkout_writes_its_folders(repository: Path, tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "red", "init", str(tmp_path / "new")], cwd=repository)
    assert done.returncode == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(FOLDERS)
    assert not list((tmp_path / "new").rglob("__pycache__"))


def test_another_workflow_uses_the_dag_as_a_module(repository: Path, tmp_path: Path):
    root = copy(repository, tmp_path / "red")
    config = yaml.safe_load((repository / "config" / "default.yaml").read_text())
    paths = {name: f"mine/{name}" for name in ("results", "logs", "benchmarks")}
    config |= {"only": ["red"], "seeds": [7], "items": ["main_results"], "pathvars": paths}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (tmp_path / "Snakefile").write_text(f"""
configfile: "study.yaml"

module red:
    snakefile: "{root}/workflow/Snakefile"
    config: config

use rule * from red as red_*

rule summary:
    default_target: True
    input: rules.red_main_results.output[0]
    output: "mine/summary.html"
    shell: "cp {{input}} {{output}}"
""")
    planned = _run(sys.executable, "-m", "snakemake", "-n", cwd=tmp_path)
    assert "rule red_train:" in planned and "mine/results/runs/red/seed7/checkpoint" in planned
    assert "mine/summary.html" in planned and " results/tiny" not in planned


def installed(site: Path) -> dict[str, str]:
    """Where the wheel is found before any checkout."""
    return os.environ | {"PYTHONPATH": str(site)}


def red(site: Path, *arguments: str, cwd: Path) -> str:
    """What an installed command prints."""
    done = _red(site, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _red(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """By its script, which does not look for modules in the current folder."""
    command = [sys.executable, str(site / "bin" / "red"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=installed(site), timeout=300)


def _pip(*arguments: str) -> None:
    _run(sys.executable, "-m", "pip", *arguments)


def _run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr
