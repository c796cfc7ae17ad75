"""The recipes of docs/extend.md, followed to the letter in a copy of the project: what each costs, and that it works.

Nothing stands in for anything: Snakemake runs the real commands, all recipes in one short DAG.
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.workflow.conftest import Checkout, copy

runs_the_dag = pytest.mark.slow
RECIPE = re.compile(r"^## (Add [^\n]+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r'```\w+ title="([^"]+)"\n(.*?)```', re.DOTALL)
# Files that a user writes; an engine is one folder, a benchmark is an entry and its problems.
COSTS = {
    "Add a method": 2,
    "Add an ablation": 1,
    "Add a model made of others": 1,
    "Add a benchmark": 2,
    "Add a table or figure": 2,
    "Add a tracker": 1,
    "Add an engine": 1,
}
ITEMS = ("main_results", "out_of_domain", "hyperparameters")
RESULTS = Path("results/minimal")
# Few steps, no probes; one run for the engine, and the tracker on for all.
SHORT = {
    "model": {"steps": 30},
    "large_model": None,
    "data": {"prompts": {"count": 60}},
    "common": {"steps": 2, "max_new_tokens": 32},
    "probes": {name: {"runs": []} for name in ("entropy", "confidence", "tokens")},
    "tracking": ["lines"],
    "runs": {"rounded": {"like": "red", "engine": "rounded", "because": "the recipe", "label": "Rounded"}},
}


@dataclass(frozen=True)
class Extended:
    """A copy of the project with the files of every recipe, by its heading."""

    checkout: Checkout
    files: dict[str, dict[str, str]]

    def added(self, recipe: str, section: str) -> dict:
        """What the recipe's overlay adds to a section of the configuration."""
        overlays = [text for name, text in self.files[recipe].items() if name.endswith(".yaml")]
        return yaml.safe_load(overlays[0])[section]

    @property
    def items(self) -> list[str]:
        """Those of the recipe, and the tables in which the other recipes show."""
        return list(dict.fromkeys([*self.added("Add a table or figure", "items"), *ITEMS]))

    def read(self, *parts: str) -> str:
        """A result as text."""
        return (self.checkout.root / RESULTS).joinpath(*parts).read_text()

    def numbers(self, item: str) -> pd.DataFrame:
        """The numbers behind a table or figure."""
        folder = next(path for path in (self.checkout.root / RESULTS).glob(f"*/{item}.csv"))
        return pd.read_csv(folder)

    def checkpoint(self, run: str) -> dict[str, torch.Tensor]:
        """The weights of a trained run."""
        return load_file(self.checkout.root / RESULTS / "runs" / run / "seed0" / "checkpoint" / "model.safetensors")


@pytest.fixture(scope="module")
def recipes(repository: Path) -> dict[str, dict[str, str]]:
    """The files of each recipe: name to content."""
    sections = RECIPE.findall((repository / "docs" / "extend.md").read_text())
    return {heading: dict(BLOCK.findall(text)) for heading, text in sections}


@pytest.fixture(scope="module")
def configfiles(recipes) -> list[str]:
    """Every overlay of the recipes, and the shortening last."""
    overlays = [name for files in recipes.values() for name in files if name.startswith("config/")]
    return ["minimal.yaml", *(name for name in overlays if name.endswith(".yaml")), "short.yaml"]


@pytest.fixture(scope="module")
def extended(repository: Path, recipes, configfiles, tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """All recipes, run once."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    root = copy(repository, tmp_path_factory.mktemp("extended") / "project")
    project = Extended(Checkout(root, {"PATH": path, "OMP_NUM_THREADS": "1"}), recipes)
    for name, text in (pair for files in recipes.values() for pair in files.items()):
        assert not (root / name).exists(), f"{name} is edited, not added"
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    runs = ["red", *project.added("Add a method", "runs"), *project.added("Add an ablation", "runs"), *SHORT["runs"]]
    project.checkout.overlay("short.yaml", **SHORT, only=runs, items=project.items)
    done = project.checkout.snakemake("all", "--cores", "1", "--configfile", *configfiles)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    return project


@pytest.mark.parametrize("recipe", COSTS)
def test_a_recipe_costs_so_many_new_files(recipes, recipe):
    folders = {re.sub(r"^(red/engines/\w+)/.*", r"\1", name) for name in recipes[recipe]}
    assert len(folders) == COSTS[recipe]


def test_every_recipe_is_counted(recipes):
    assert set(recipes) == set(COSTS)


@runs_the_dag
def test_a_method_is_trained_and_has_its_row(extended):
    (run,) = extended.added("Add a method", "runs")
    rows = extended.numbers("main_results")
    assert set(rows[rows["run"] == run]["column"]) >= {"aime24", "math500"}
    assert rows[rows["run"] == run]["value"].notna().all()


@runs_the_dag
def test_an_ablation_differs_by_what_its_entry_says_and_has_its_row(extended):
    ((run, line),) = extended.added("Add an ablation", "runs").items()
    spec = json.loads(extended.read("runs", run, "seed0", "provenance.json"))["spec"]
    changes = {key: value for key, value in line.items() if key in spec["overrides"]}
    assert changes and changes == spec["overrides"] and spec["method"] == line["like"]
    assert run in set(extended.numbers("hyperparameters")["run"])


@runs_the_dag
def test_a_model_made_of_others_is_evaluated_and_has_its_row(extended):
    (name,) = extended.added("Add a model made of others", "derived")
    rows = extended.numbers("main_results")
    assert rows[rows["run"] == name]["value"].notna().all() and name in set(rows["run"])
    assert "vectors of the base" in extended.read("tables", "main_results.html")


@runs_the_dag
def test_a_benchmark_of_own_problems_is_a_column_of_its_groups_table(extended):
    ((name, entry),) = extended.added("Add a benchmark", "benchmarks").items()
    (problems,) = (text for file, text in extended.files["Add a benchmark"].items() if not file.endswith(".yaml"))
    ids = {json.loads(line)["id"] for line in problems.splitlines()}
    scores = pd.read_parquet(extended.checkout.root / RESULTS / "collected" / "scores.parquet")
    assert set(scores[scores["benchmark"] == name]["problem"]) == ids
    table, other = ITEMS[:2] if entry["group"] == "math" else ITEMS[1::-1]
    rows = extended.numbers(table)
    assert rows[(rows["column"] == name) & (rows["metric"] == "accuracy")]["value"].notna().all()
    assert name in set(rows["column"]) and name not in set(extended.numbers(other)["column"])
    assert entry.get("label", name) in extended.read("tables", f"{table}.html")


@runs_the_dag
def test_a_table_or_figure_is_made_with_its_numbers(extended):
    for item in set(extended.items) - set(ITEMS):
        assert len(extended.numbers(item)) > 0
        assert list((extended.checkout.root / RESULTS).glob(f"*/{item}.html"))


@runs_the_dag
def test_a_tracker_gets_every_step(extended):
    for run in ("rounded", *extended.added("Add a method", "runs")):
        lines = extended.read("runs", run, "seed0", "lines.txt").splitlines()
        rows = [json.loads(line) for line in extended.read("runs", run, "seed0", "metrics.jsonl").splitlines()]
        assert lines == [f"{row['train/step']} {row['loss/total']:.4f}" for row in rows] and len(rows) == 2


@runs_the_dag
def test_an_engine_trains_in_its_own_way(extended):
    (other,) = extended.added("Add an ablation", "runs")
    rounded, weights = extended.checkpoint("rounded"), extended.checkpoint(other)
    assert all(torch.equal(weight, weight.bfloat16().float()) for weight in rounded.values())
    assert not all(torch.equal(weight, weight.bfloat16().float()) for weight in weights.values())


@runs_the_dag
def test_nothing_is_left_to_do(extended, configfiles):
    assert extended.checkout.plan("--configfile", *configfiles) == []
