"""A report of invented results: real items and a real Snakemake report, everything before is a stand-in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import synthetic
from tests.report.browser import browser
from tests.workflow.conftest import STUB, Checkout, copy


@pytest.fixture(scope="session")
def report(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `make report` writes, with all items of config/default.yaml."""
    folder = tmp_path_factory.mktemp("report")
    collected = synthetic.write(folder / "collected", steps=40, fraction=0.2)
    binaries = folder / "bin"
    binaries.mkdir()
    python = binaries / "python"
    # Items are built by the real code, from invented tables.
    python.write_text(f"""#!/bin/sh
case "$2 $3" in
analysis*) exec "{sys.executable}" "$@" ;;
"red collect") mkdir -p results/tiny/collected && exec cp "{collected}"/* results/tiny/collected/ ;;
*) exec "{sys.executable}" -S "{STUB}" "$@" ;;
esac
""")
    python.chmod(0o755)
    environment = {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    environment["STUB_CALLS"] = str(folder / "calls.txt")
    checkout = Checkout(copy(repository, folder / "check out"), environment)
    one_seed = checkout.overlay("one.yaml", seeds=[0], only=["red", "luffy"])
    options = ["--configfile", "config/default.yaml", one_seed]
    made = checkout.snakemake("all", "--cores", "2", *options)
    assert made.returncode == 0, (made.stdout + made.stderr)[-3000:]
    target = checkout.root / "results/tiny/report.html"
    written: subprocess.CompletedProcess = checkout.snakemake(
        "all",
        "--cores",
        "1",
        *options,
        "--report",
        str(target),
        http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
    )
    assert written.returncode == 0, (written.stdout + written.stderr)[-3000:]
    return target


@pytest.fixture
def page(tmp_path: Path):
    """A browser on an empty page."""
    with browser(tmp_path / "profile") as found:
        found.get("about:blank")
        found.get_log("performance")
        yield found
