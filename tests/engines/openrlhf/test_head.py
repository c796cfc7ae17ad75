"""The head without logits gives what transformers' logits give, or refuses what an architecture does after them."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def architectures(repository, environment):
    worker = repository / "tests" / "engines" / "openrlhf" / "head_worker.py"
    ran = subprocess.run([sys.executable, worker], env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return {row.pop("architecture"): row for row in map(json.loads, ran.stdout.splitlines() if ran.stdout else ())}


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "phi"])
def test_values_and_gradients_are_those_of_the_logits(name, architectures):
    for how in ("padded", "packed"):
        assert architectures[name][how]["values"] < 1e-5
        assert architectures[name][how]["gradients"] < 1e-4


def test_an_architecture_that_changes_its_logits_afterwards_is_refused(architectures):
    assert architectures["granite"]["refused"].startswith("granite: log-probabilities from the output layer are off by")
