"""The wheel has everything that an installed `red` needs, and the DAG can be used as a module."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import copy


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clean copy; setuptools is taken from this environment, so nothing is fetched."""
    pytest.importorskip("setuptools", "77", reason="needs setuptools 77 to build without network")
    root = copy(repository, tmp_path_factory.mktemp("wheel") / "source tree")
    for name in ("README.md", "LICENSE", "pyproject.toml"):
        (root / name).write_bytes((repository / name).read_bytes())
    out = root.parent / "dist"
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
        str(root),
    )
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(wheel: Path, repository: Path):
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(repository).as_posix()
        for package in ("red", "analysis")
        for path in (repository / package).rglob("*")
        if path.suffix in (".py", ".yaml", ".html", ".csv", ".css", ".js", ".LICENSE")
    }
    assert wanted <= inside
    assert not [name for name in inside if name.startswith(("tests", "bench", "faults"))]


@pytest.mark.slow
def test_an_installed_wheel_has_the_red_command(wheel: Path, tmp_path: Path):
    """In a fresh environment that sees this one's packages, away from the checkout."""
    _run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    site = next(path for path in (tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "parent.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    _run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--force-reinstall",
        str(wheel),
    )
    shown = _run(str(python.with_name("red")), "--help", cwd=tmp_path)
    assert "compare" in shown and "train" in shown
    where = _run(str(python), "-c", "import red, analysis; print(red.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path))
    model = ["data", "model", "--spec", '{"size": "base", "steps": 2}', "--out", "model"]
    _run(str(python.with_name("red")), *model, cwd=tmp_path)
    assert (tmp_path / "model" / "config.json").exists()


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


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr
