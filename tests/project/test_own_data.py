"""docs/own-data.md, followed to the letter: somebody's model, data and problems in one paste."""

import json
import os
import re
import sys
from functools import reduce
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from red.errors import ConfigError
from red.plumbing.documents import deep_merge
from red.study import config, jobs
from red.world.problems import parse
from tests.workflow.conftest import Checkout, copy

BLOCK = re.compile(r'```yaml title="config/mine.yaml"\n(.*?)```', re.DOTALL)
# So that the training lasts seconds.
SHORT = {
    "common": {"steps": 2, "max_new_tokens": 24},
    "runs": {"sft": {"steps": 2}},
    "evaluation": {"max_new_tokens": 24},
}


@pytest.fixture(scope="module")
def paste(repository: Path) -> str:
    return BLOCK.findall((repository / "docs" / "own-data.md").read_text(encoding="utf-8"))[0]


@pytest.fixture(scope="module")
def overlay(paste) -> dict:
    return yaml.safe_load(paste)


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    return config.read_yaml(repository / "config" / "default.yaml")


def test_the_paste_is_a_whole_study(tiny, overlay):
    document = config.select(config.overlaid(tiny, overlay))
    config.check(document)
    jobs.check(document)
    assert jobs.trained(document) == [("sft", 0), ("grpo", 0), ("red", 0)]
    assert list(document["benchmarks"]) == ["mine"]


@pytest.mark.parametrize("path", [("model",), ("large_model",), ("data", "prompts"), ("data", "demonstrations")])
def test_another_source_keeps_no_key_of_the_old_one(tiny, path):
    section = reduce(dict.__getitem__, path, tiny)
    assert len(section) > 1
    other = reduce(lambda below, key: {key: below}, reversed(path), {"source": "other", "key": 1})
    same = reduce(lambda below, key: {key: below}, reversed(path), {"source": section["source"], "key": 1})
    assert reduce(dict.__getitem__, path, config.overlaid(tiny, other)) == {"source": "other", "key": 1}
    assert reduce(dict.__getitem__, path, config.overlaid(tiny, same)) == {**section, "key": 1}


def test_the_source_of_a_weight_is_a_run(tiny):
    """Its other keys stay: only data and models have a source whose keys are its own."""
    base = {**tiny, "runs": {"a": {"weight": {"kind": "mean_of", "source": "red"}}}}
    assert (
        config.overlaid(base, {"runs": {"a": {"weight": {"source": "sft"}}}})["runs"]["a"]["weight"]["kind"]
        == "mean_of"
    )


SECTION = st.dictionaries(st.sampled_from(["source", "seed", "count"]), st.integers(0, 1), max_size=3)
DOCUMENT = st.fixed_dictionaries(
    {}, optional={"model": SECTION, "data": st.fixed_dictionaries({}, optional={"prompts": SECTION}), "seeds": SECTION}
)


@given(st.lists(DOCUMENT, max_size=4))
def test_what_snakemake_merged_becomes_what_is_meant(documents):
    merged = reduce(deep_merge, documents, {})
    assert config.without_old_sources(merged, documents) == reduce(config.overlaid, documents, {})


@pytest.mark.parametrize("part", ["model", "data"])
def test_tiny_is_refused_for_what_is_not_generated(tiny, overlay, part):
    document = config.overlaid(tiny, {part: overlay[part]})
    with pytest.raises(
        ConfigError, match=rf"scale: tiny is the generated world, and {part}[\w.]*source is '\w+'; give"
    ):
        jobs.check(document)


@pytest.fixture
def mine(repository: Path, paste: str, make_checkpoint, tmp_path: Path) -> Checkout:
    """A copy of the project with the paste, and what it asks for: a model, rows in the layout of OpenR1, problems."""
    data = tmp_path / "data"
    data.mkdir()
    make_checkpoint(0).rename(data / "model")
    questions = [f"Compute {first}+{second}" for first in range(3, 9) for second in range(2, 9)]
    rows = [
        {
            "prompt": [{"role": "user", "content": question}],
            "target": [{"role": "assistant", "content": f"\\boxed{{{parse(question).answer}}}"}],
            "reward_model": {"ground_truth": str(parse(question).answer)},
        }
        for question in questions
    ]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tests = [{"id": str(i), "problem": f"Compute {i}+{i}", "answer": str(2 * i)} for i in range(10, 14)]
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tests))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    checkout = Checkout(copy(repository, tmp_path / "project"), {"PATH": path, "OMP_NUM_THREADS": "1"})
    (checkout.root / "config" / "mine.yaml").write_text(paste.replace("/data", str(data)))
    checkout.overlay("short.yaml", template="plain", **SHORT)
    return checkout


OVERLAYS = ["--configfile", "config/default.yaml", "config/mine.yaml", "short.yaml"]


def test_snakemake_plans_it(mine):
    plan = mine.plan(*OVERLAYS)
    assert [job for job in plan if job.startswith(("train", "benchmark"))] == [
        "benchmark mine",
        "train grpo 0",
        "train red 0",
        "train sft 0",
    ]


@pytest.mark.slow
def test_it_runs_and_its_report_is_its_own(mine):
    done = mine.snakemake("all", "--cores", "1", *OVERLAYS)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    report = (mine.root / "results" / "mine" / "report.html").read_text()
    assert "In the study mine, 3 runs trained" in report and "tiny" not in report.lower()
    table = (mine.root / "results" / "mine" / "tables" / "main_results.md").read_text()
    assert "Mine" in table and "paper" not in table
