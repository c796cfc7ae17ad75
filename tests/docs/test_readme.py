"""What README says in numbers is what the project has or what docs/results.md measured."""

import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

from analysis.items.claims import CLAIMS
from analysis.measures.premises import PREMISES
from red.study import config, jobs


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(repository: Path) -> str:
    return (repository / "docs" / "results.md").read_text(encoding="utf-8")


def percents(text: str) -> list[str]:
    return re.findall(r"(\d+\.\d)(?: %| to)", text)


def test_accuracies_are_those_of_the_results(repository, readme, results):
    """In README and on the page of the idea; `48.1 to 49.5 %` are the lowest and the highest of SFT then RL."""
    table = set(re.findall(r"\| (\d+\.\d) \[", results))
    out = readme.partition("**What comes out")[2].partition("\n\n")[0]
    assert len(percents(out)) == 4 and set(percents(out)) <= table
    concept = (repository / "docs" / "concept.md").read_text(encoding="utf-8").partition("## What the small world")[2]
    numbers = set(re.findall(r"\d+\.\d", concept))
    assert len(numbers) > 8 and numbers <= set(re.findall(r"\d+\.\d", results))


def test_the_size_of_the_model_is_the_models(readme, tiny_world):
    weights = load_file(tiny_world / "models" / "base" / "model.safetensors")
    (shown,) = re.findall(r"a model of ([\d,]+) parameters", readme)
    assert shown == f"{round(sum(tensor.numel() for tensor in weights.values()), -3):,}"


def test_the_counts_of_the_results_are_the_configurations(repository, results):
    document = config.load(repository / "config" / "default.yaml")
    study = results.partition("## What came out")[2]
    assert f"{len(jobs.trained(document))} trainings" in study
    assert f"Of {len(CLAIMS)} claims" in study
    assert f"{len(PREMISES)} conditions" in study
    assert f"{len({re.sub('[a-z]$', '', one.name) for one in PREMISES})} [premises]" in study


def test_every_method_is_named(repository, readme):
    """By its label; both forms of CHORD by one."""
    runs = config.load(repository / "config" / "default.yaml")["runs"]
    labels = {re.sub(r"-(mu|phi)$", "", run["label"]) for run in runs.values() if "like" not in run}
    labels = {label for label in labels if not label.startswith("RED")}
    assert len(labels) > 20 and [label for label in sorted(labels) if label not in readme] == []


def test_times_are_ranges(readme):
    """One number would be of one machine."""
    lines = [line for line in readme.splitlines() if "minute" in line]
    assert len(lines) > 1
    assert [line for line in lines if not re.search(r"\d+ to \d+ minutes|a minute or two", line)] == []
