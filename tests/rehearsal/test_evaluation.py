"""`red evaluate` on real models: vLLM and the local sampler give the same greedy answers."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from red.plumbing.storage import read_jsonl

pytestmark = pytest.mark.rehearsal
TOKENS = 64
LIMIT = 4


@pytest.fixture(params=["smollm2-135m", "qwen2.5-coder-0.5b"])
def model(request, real_model) -> Path:
    """A real model's folder."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed: make setup-engines")
    return real_model(request.param)


def answers(model: Path, backend: str, shared: Path, out: Path) -> list[str]:
    """Greedy responses to the first problems of MATH500."""
    sampling = ["--temperature", "0", "--samples", "1", "--max-new-tokens", str(TOKENS), "--template", "chat"]
    where = ["--data-dir", str(shared / "benchmarks"), "--benchmarks", "math500", "--limit", str(LIMIT)]
    command = [sys.executable, "-m", "red", "evaluate", "--model", str(model), "--backend", backend, "--out", str(out)]
    done = subprocess.run([*command, *where, *sampling], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = out.rglob("math500.generations.jsonl")
    return [row["response"] for row in read_jsonl(file)]


def test_both_backends_give_the_same_greedy_answers(model, shared, tmp_path):
    local, vllm = (answers(model, name, shared, tmp_path / name) for name in ("local", "vllm"))
    assert len(local) == LIMIT and all(len(text) > TOKENS for text in local)
    assert vllm == local
