"""The real engine, on a CPU. Its processes are started by `red generate`, as a user would."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from red.plumbing.storage import dump_json, read_jsonl, write_jsonl
from red.world import benchmarks as world

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make setup-engines)"),
]
FILES = ("aime24.generations.jsonl", "arc_c.generations.jsonl")


def red_generate(
    jobs: list[tuple[Path, Path]], folder: Path, backend: str, temperature: float = 0.0, template: str = "plain"
) -> None:
    """One `red generate` process over (checkpoint, out) pairs."""
    entry = {"source": "embedded", "grader": "math", "metric": "avg_at_k", "group": "math", "samples": 2}
    spec = {
        "template": template,
        "limit": 24,
        "evaluation": {"backend": backend, "temperature": temperature, "max_new_tokens": 48},
        "benchmarks": {"aime24": entry, "arc_c": entry},
    }
    command = [sys.executable, "-m", "red", "generate"]
    command += ["--spec", dump_json(spec), "--benchmarks", str(folder)]
    for checkpoint, out in jobs:
        command += ["--checkpoint", str(checkpoint), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two benchmark files of the tiny world."""
    for name in ("aime24", "arc_c"):
        write_jsonl(tmp_path / f"benchmarks/{name}.jsonl", world.rows(name))
    return tmp_path / "benchmarks"


def answers(out: Path) -> list[dict]:
    return [row for name in FILES for row in read_jsonl(out / name)]


def test_four_checkpoints_from_one_start_answer_as_the_local_sampler_and_a_fresh_start(
    make_checkpoint, folder, tmp_path
):
    checkpoints = [make_checkpoint(seed) for seed in range(4)]
    kinds = ("vllm", "local", "fresh")
    served, local, fresh = ([tmp_path / kind / c.name for c in checkpoints] for kind in kinds)
    red_generate(list(zip(checkpoints, served, strict=True)), folder, "vllm")
    red_generate(list(zip(checkpoints, local, strict=True)), folder, "local")
    red_generate([(checkpoints[3], fresh[3])], folder, "vllm")
    for one, two in zip(served, local, strict=True):
        assert answers(one) == answers(two)  # texts, lengths, finish reasons, seeds
    assert answers(served[3]) == answers(fresh[3])
    reasons = {row["finish_reason"] for out in served for row in answers(out)}
    assert reasons == {"stop", "length"}
    assert len({dump_json(answers(out)[0]) for out in served}) == 4


def test_weights_are_swapped_where_the_output_layer_is_not_tied(make_checkpoint, folder, tmp_path):
    checkpoints = [make_checkpoint(seed, tied=False) for seed in (5, 6)]
    served, local = ([tmp_path / kind / c.name for c in checkpoints] for kind in ("vllm", "local"))
    red_generate(list(zip(checkpoints, served, strict=True)), folder, "vllm")
    red_generate(list(zip(checkpoints, local, strict=True)), folder, "local")
    assert [answers(out) for out in served] == [answers(out) for out in local]


@pytest.mark.slow
def test_sampled_answers_to_long_prompts_are_repeated_by_their_seeds(byte_checkpoint, folder, tmp_path):
    """Prompts of 24,000 tokens together: more than vLLM reads in one step by default."""
    jobs = [(byte_checkpoint, tmp_path / "a"), (byte_checkpoint, tmp_path / "b")]
    red_generate(jobs, folder, "vllm", temperature=1.0, template="think")
    one, two = answers(tmp_path / "a"), answers(tmp_path / "b")
    assert sum(a == b for a, b in zip(one, two, strict=True)) >= 0.95 * len(one)
    assert one[0]["response"] != one[1]["response"]
