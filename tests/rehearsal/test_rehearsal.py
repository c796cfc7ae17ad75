"""`make rehearsal` on a real pretrained model: the paper's path through OpenRLHF and vLLM, with fewer runs."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from red.plumbing.storage import read_json, read_jsonl
from red.study.config import load

pytestmark = pytest.mark.rehearsal
MODEL = "smollm2-135m"
CONFIG = ("config/default.yaml", "config/paper.yaml", "config/rehearsal.yaml", "tests/rehearsal/short.yaml")
# As OpenR1's rows have one, and GSM8K's none.
SYSTEM = r"Reason step by step and put the final answer in \boxed{}."


@pytest.fixture(scope="module")
def document(repository) -> dict:
    """The configuration of the short rehearsal."""
    return load(*(repository / path for path in CONFIG))


@pytest.fixture(scope="module")
def local(shared, real_model, document, tmp_path_factory) -> Path:
    """An overlay that names local copies in the place of the hub's."""
    if importlib.util.find_spec("openrlhf") is None:
        pytest.skip("OpenRLHF is not installed: make setup-engines")
    model = real_model(MODEL)
    folder = tmp_path_factory.mktemp("rehearsal")
    with (folder / "training.jsonl").open("w") as stream:
        rows = read_jsonl(shared / "training" / "gsm8k_train.jsonl")
        # A response of the rehearsal has room for the shortest demonstrations.
        for row in sorted(rows, key=lambda row: len(row["target"][0]["content"]))[:40]:
            row["prompt"] = [{"role": "system", "content": SYSTEM}, *row["prompt"]]
            stream.write(json.dumps(row) + "\n")
    data = {"data_dir": str(folder), "file": "training.jsonl"}
    overlay = {
        "model": {"folder": str(model)},
        "large_model": {"folder": str(model)},
        "data": {"prompts": dict(data), "demonstrations": dict(data)},
        "benchmarks": {name: {"data_dir": str(shared / "benchmarks")} for name in document["benchmarks"]},
    }
    path = folder / "local.yaml"
    path.write_text(yaml.safe_dump(overlay))
    return path


@pytest.fixture(scope="module")
def results(repository, local) -> Path:
    """What the short rehearsal leaves."""
    command = ["make", "rehearsal", f"OVERLAY=tests/rehearsal/short.yaml {local}"]
    done = subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
    return repository / "results" / "rehearsal"


def test_every_step_was_trained_on_rollouts_of_the_current_weights(results):
    rows = list(read_jsonl(results / "runs" / "red_noisy_labels" / "seed0" / "metrics.jsonl"))
    assert [row["train/step"] for row in rows] == [0, 1]
    assert all(row["opt/skipped"] == 0 and row["opt/grad_norm"] > 0 for row in rows)
    assert all(abs(row["rollout/kl"]) < 1e-3 for row in rows)
    assert rows[1]["red/w"] >= 1 and rows[1]["tokens/generated"] > 100


def test_all_nine_benchmarks_are_graded_for_every_checkpoint(results, document):
    scores = pd.read_parquet(results / "collected" / "scores.parquet")
    expected = {name: entry["limit"] * entry["samples"] for name, entry in document["benchmarks"].items()}
    for run in ("base", "red_noisy_labels"):
        found = scores[scores["run"] == run].groupby("benchmark").size()
        assert found.to_dict() == expected, run


def test_probes_read_real_text(results):
    probes = pd.read_parquet(results / "collected" / "probes.parquet")
    assert {"confidence", "tokens"} <= set(probes["probe"])
    tokens = probes[(probes["probe"] == "tokens") & (probes["quantity"] == "p_trained")]
    text = "".join(tokens.sort_values(["example", "position"])["token"])
    questions = " ".join(row["question"] for row in read_jsonl(results / "data" / "prompts.jsonl"))
    assert len(words(text) & words(questions)) >= 3, text
    assert {"p_small", "p_large"} <= set(probes["quantity"])


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def test_every_item_and_the_report_are_there(results, document):
    for item in document["items"]:
        assert list(results.glob(f"*/{item}.html")), item
    assert (results / "report.html").stat().st_size > 100_000
    runs = {run["run"]: run["status"] for run in read_json(results / "collected" / "runs.json")}
    assert runs == {"base": "done", "red_noisy_labels": "done"}
