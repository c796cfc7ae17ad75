"""The examples run as they stand, and do what they say."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import nbformat
import pytest

FOLDER = "examples"


def names(repository: Path, example: str) -> dict:
    """What an example defines; nothing runs yet."""
    return runpy.run_path(str(repository / FOLDER / example), run_name="example")


def test_the_page_lists_every_example(repository):
    listed = re.findall(r"^\| `([\w.]+\.(?:py|ipynb))` \|", (repository / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(p.name for p in (repository / FOLDER).iterdir() if p.suffix in (".py", ".ipynb"))


def test_the_plain_loop_learns_from_its_demonstrations(repository):
    train = names(repository, "pytorch_loop.py")["train"]
    red, grpo = (train(steps=250, name=name) for name in ("red", "grpo"))
    assert fmean(red[:20]) < 0.1
    assert fmean(red[-20:]) > 0.3 > fmean(grpo[-20:])


def test_a_file_is_graded(repository):
    grade = names(repository, "grade_file.py")["grade"]
    verdicts = dict(grade(repository / FOLDER / "responses.jsonl"))
    right = {name: verdict.correct for name, verdict in verdicts.items()}
    assert right == {"box": True, "equal": True, "symbolic": True, "no box": False, "wrong": False, "choice": True}
    assert verdicts["no box"].correct_lenient


def test_the_version_of_trl_that_is_named_is_the_one_that_is_tested(repository):
    files = ("pyproject.toml", "docs/api.md", f"{FOLDER}/trl_trainer.py")
    named = [re.findall(r"trl==([\d.]+)", (repository / file).read_text(encoding="utf-8")) for file in files]
    assert all(named) and len({version for versions in named for version in versions}) == 1


def test_trl_trains_with_the_loss(repository, tiny_world, tmp_path):
    """Ten steps of a real GRPOTrainer on the CPU."""
    pytest.importorskip("trl", reason="needs TRL (make setup-engines)")
    example = names(repository, "trl_trainer.py")
    rows = example["data"](tiny_world / "prompts.jsonl", tiny_world / "demonstrations" / "clean.jsonl")
    log = example["train"](tiny_world / "models" / "base", rows, 10, tmp_path / "trained")
    assert len(log) == 10
    assert log[0]["red/w"] == 1 and all(1 <= row["red/w"] <= 8 for row in log)
    assert len({row["red/w"] for row in log}) > 2
    # What a demonstration says gets more likely: its term is -w A pi / pi_offline.
    assert all(row["grad_norm"] > 0 for row in log)
    assert log[0]["loss"] == pytest.approx(log[0]["red/loss_total"], abs=1e-3)
    assert (tmp_path / "trained" / "model.safetensors").exists()


def test_the_notebook_runs_and_is_kept_without_outputs(repository, collected, tmp_path):
    """Its cells in their order, in a process of its own; figures are drawn, not shown."""
    source = repository / FOLDER / "results.ipynb"
    notebook = nbformat.read(source, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)

    shutil.copytree(collected, tmp_path / "results" / "tiny" / "collected")
    (tmp_path / FOLDER).mkdir()
    script = "\n".join(cell.source for cell in cells) + "\nprint(len(plt.get_fignums()))\n"
    code = f"import matplotlib; matplotlib.use('Agg')\n{script}"
    environment = {"PYTHONPATH": str(repository), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / FOLDER, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    difference, figures = done.stdout.split("\n")[:2]
    assert re.fullmatch(r"red - sft: [+-]\d+\.\d points \[-?\d+\.\d, -?\d+\.\d\], p = \d\.\d{3}", difference)
    assert figures == "2"


def test_the_notebook_is_json_that_a_diff_can_show(repository):
    text = (repository / FOLDER / "results.ipynb").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
