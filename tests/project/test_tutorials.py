"""The tutorials of docs/extend.md, followed to the letter in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

BLOCK = re.compile(r'```\w+ title="([^"]+)"\n(.*?)```', re.DOTALL)
COPIED = ("red", "analysis", "workflow", "config", "tests/workflow/minimal.yaml", "environment.yml", "pyproject.toml")


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    """A copy with every titled block of the tutorials written to the file that it names."""
    root = tmp_path_factory.mktemp("tutorial")
    for name in COPIED:
        source, target = repository / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    blocks = BLOCK.findall((repository / "docs" / "extend.md").read_text())
    for name, text in blocks:
        (root / name).write_text(text)
    return root, {name for name, _ in blocks}


def snakemake(root, *overlays, extra=()):
    files = ["config/default.yaml", "tests/workflow/minimal.yaml", *overlays]
    command = [sys.executable, "-m", "snakemake", "all", "--cores", "2", *extra, "--configfile", *files]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_tutorials_write_the_files_that_the_recipes_name(project):
    assert project[1] == {
        "red/methods/gentle.py",
        "config/mine.yaml",
        "config/ablation.yaml",
        "config/benchmark.yaml",
        "config/mine.jsonl",
        "analysis/items/solved.py",
        "config/item.yaml",
    }


@pytest.mark.slow
def test_a_new_method_ablation_benchmark_and_item_run_end_to_end(project):
    root, _ = project
    (root / "config" / "only.yaml").write_text("only: [red, gentle, red_window3]\n")
    overlays = [
        "config/mine.yaml",
        "config/ablation.yaml",
        "config/benchmark.yaml",
        "config/item.yaml",
        "config/only.yaml",
    ]
    snakemake(root, *overlays)
    results = root / "results" / "minimal"
    assert (results / "figures" / "solved.png").stat().st_size > 0
    assert "Gentle" in (results / "tables" / "main_results.csv").read_text()
    numbers = pd.read_csv(results / "tables" / "main_results.csv").query("run == 'red' and metric == 'accuracy'")
    means = numbers.set_index("column")["value"]
    assert means["overall"] == pytest.approx(means.drop("overall").mean(), rel=1e-5) and len(means) == 8
    heads = (results / "tables" / "main_results.md").read_text()
    assert "| Mine Acc |" in heads and "Olympiad\\* Acc" in heads
    spec = json.loads((results / "runs" / "red_window3" / "seed0" / "provenance.json").read_text())["spec"]
    assert spec["overrides"]["weight"] == {"window": 3}
    assert "Nothing to be done" in snakemake(root, *overlays)
