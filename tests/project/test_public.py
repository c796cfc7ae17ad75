"""`from red import ...`: which names there are, that they are cheap, typed and documented."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import red

PAGE = "docs/api.md"
NAMES = {
    *("method", "Method", "ObjectiveSpec", "Advantage", "RolloutTerm", "DemonstrationTerm", "Weight", "NLL", "Mixture"),
    *("Aggregation", "Batch", "Members", "plan", "Plan", "loss", "Loss", "logp_and_entropy"),
    *("WeightSchedule", "WeightStep", "StepEntropy", "step_entropy"),
    *("Grader", "Case", "Verdict", "RewardJudge"),
    *("load_tables", "Tables", "Run", "mean_interval", "paired_difference"),
    *("RedError", "ConfigError", "DataError"),
}


def test_the_public_names_are_these():
    """One that goes or changes its meaning is a line in the changelog."""
    assert {name for name in dir(red) if not name.startswith("_")} - submodules() == NAMES


def submodules() -> set[str]:
    return {path.stem for path in Path(red.__file__).parent.iterdir() if not path.name.startswith("_")}


def test_no_public_name_is_that_of_a_room():
    """An imported submodule becomes an attribute of its package, in the place of the name."""
    assert NAMES & submodules() == set()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_is_there_with_its_docstring_and_its_types(name):
    found = getattr(red, name)
    assert inspect.getdoc(found) and not inspect.getdoc(found).startswith(f"{name}("), "no docstring of its own"
    if inspect.isfunction(found):
        parameters = inspect.signature(found).parameters.values()
        assert all(one.annotation is not inspect.Parameter.empty for one in parameters)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'objectiv'"):
        _ = red.objectiv
    with pytest.raises(ImportError):
        importlib.import_module("red.objectiv")


def test_import_red_loads_nothing_else():
    """Of ours and of others: a command starts as fast as Python does."""
    code = "import sys; before = set(sys.modules); import red; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["red"]


def test_a_name_loads_its_own_module_only():
    code = "import sys; from red import Case; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_page_lists_every_name(repository):
    text = (repository / PAGE).read_text(encoding="utf-8").partition("## Names")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == NAMES


def test_the_reference_shows_every_name(repository):
    """By the module that defines it."""
    modules = set(re.findall(r"^::: ([\w.]+)", (repository / "docs/reference.md").read_text(), re.MULTILINE))
    assert {getattr(red, name).__module__ for name in NAMES} <= modules


def test_the_fields_that_another_trainer_has_to_fill_are_there(repository):
    """The table for verl; optional fields may stay out."""
    text = (repository / PAGE).read_text(encoding="utf-8").partition("## In verl")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `((?:Batch|Members)\.\w+)` \|", text, re.MULTILINE))
    needed = {
        f"{kind.__name__}.{field.name}"
        for kind in (red.Batch, red.Members)
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    assert named == needed


def test_the_step_of_the_page_runs(repository):
    (block,) = re.findall(r'```python title="one optimizer step"\n(.*?)```', (repository / PAGE).read_text(), re.DOTALL)
    names: dict = {}
    exec(block, names)
    assert names["logits"].grad.abs().sum() > 0
    # Losses of parts add up, as the page says.
    whole = names["plan"](names["members"], names["spec"], names["w"])
    parts = [names["torch"].arange(0, 3), names["torch"].arange(3, 8)]
    batch, loss, spec = names["batch"], names["loss"], names["spec"]
    total = sum(loss(batch.rows(part), spec, whole.rows(part)).total for part in parts)
    assert total.item() == pytest.approx(loss(batch, spec, whole).total.item(), rel=1e-5)
