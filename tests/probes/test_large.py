"""Large models are read by transformers and sampled by a backend: the same numbers as the project's own model gives."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from red.errors import DataError
from red.methods.base import Problem
from red.probes import large
from red.probes.large import LargeReader, batches
from red.probes.local import LocalReader
from red.probes.reader import Draw
from red.sampling.local import LocalBackend

needs_accelerate = pytest.mark.skipif(find_spec("accelerate") is None, reason="accelerate is with the engines")
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: make setup-engines")
PAIRS = [
    ((5, 6, 7), (8, 9, 10, 11, 12)),
    ((5, 6, 7), (30,)),
    ((40,), tuple(range(20, 60))),
    ((9, 9, 9, 9, 9, 9, 9, 9), (3, 2, 1)),
]


def by_pair(reader, folder, wanted):
    return {measured.pair: measured for measured in reader.measure(folder, PAIRS, wanted)}


def reader(**placed):
    return LargeReader("local", **placed)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for pair, measured in expected.items():
        torch.testing.assert_close(found[pair].logp, measured.logp, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found[pair].entropy, measured.entropy, rtol=1e-4, atol=1e-4)


@pytest.fixture(params=["tied", "untied"])
def folder(make_checkpoint, request) -> Path:
    return make_checkpoint(3, tied=request.param == "tied")


@pytest.mark.parametrize("tokens", [16384, 50, 1])
def test_passes_are_those_of_the_own_model_however_they_are_cut(folder, tokens, monkeypatch):
    monkeypatch.setattr(large, "TOKENS_PER_FORWARD", tokens)
    wanted = {0, 1, 2, 3}
    assert_equal(by_pair(reader(), folder, wanted), by_pair(LocalReader(), folder, wanted))


def test_only_what_is_wanted_is_measured(folder):
    assert by_pair(reader(), folder, {1, 3}).keys() == {1, 3}


@needs_accelerate
@pytest.mark.engines
def test_layers_may_lie_in_several_places(folder, tmp_path):
    """As on several GPUs: accelerate moves what a layer needs to where it is computed. The disk stands for them."""
    untied = {"lm_head"} if "untied" in folder.name else set()  # a tied head is where the embedding is
    for away in ({"model.layers.1"}, {"model.layers.0", "model.norm"} | untied):
        names = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")
        placed = {name: "disk" if name in away else "cpu" for name in names}
        spread = reader(device_map=placed, offload=tmp_path / "offload")
        assert_equal(by_pair(spread, folder, {0, 1, 2, 3}), by_pair(LocalReader(), folder, {0, 1, 2, 3}))


def test_a_model_that_changes_its_logits_is_refused(folder, monkeypatch):
    """Some families scale or mix them after the head."""
    monkeypatch.setattr(large, "_cap", lambda network: 1.0)
    with pytest.raises(DataError, match="'qwen2' does more to its logits"):
        by_pair(reader(), folder, {0})


@pytest.mark.parametrize("tokens", [1, 10, 25, 1000])
def test_batches_hold_every_key_once_within_the_limit(tokens):
    sizes = {key: 1 + key * 7 % 11 for key in range(40)}
    found = list(batches(sizes, tokens))
    assert sorted(key for batch in found for key in batch) == sorted(sizes)
    assert all(len(batch) == 1 or len(batch) * max(sizes[key] for key in batch) <= tokens for batch in found)
    assert all((len(batch) + 1) * sizes[batch[0]] > tokens for batch in found[:-1])  # one more had not fitted


def problem(name, *prompt):
    return Problem(name, prompt, "1")


PROBLEMS = [problem("a", 5, 6, 7), problem("b", 8, 9)]
DRAW = Draw(samples=3, max_new_tokens=12, seed=4)


def test_a_rollout_depends_on_its_own_problem_and_index_alone(folder):
    """So what is missing after an interruption is what would have been there."""
    pairs = [(p, index) for p in PROBLEMS for index in range(3)]
    whole = {(r.problem.id, r.sample): r.response for r in reader().rollouts(folder, pairs, PROBLEMS, DRAW)}
    part = {(r.problem.id, r.sample): r.response for r in reader().rollouts(folder, pairs[2:5], PROBLEMS, DRAW)}
    assert whole.keys() == {(p.id, index) for p, index in pairs}
    assert part == {key: whole[key] for key in [("a", 2), ("b", 0), ("b", 1)]}
    assert len({tuple(response.tokens) for response in whole.values()}) > 2


def test_the_backend_has_left_before_the_passes_begin(folder, monkeypatch):
    closed = []
    monkeypatch.setattr(LocalBackend, "close", lambda self: closed.append(True))
    by_pair(reader(), folder, {0})
    assert closed


@needs_vllm
@pytest.mark.engines
def test_rollouts_of_the_real_engine_then_passes(make_checkpoint):
    folder = make_checkpoint(3)
    one = LargeReader("vllm")
    try:
        pairs = [(p, index) for p in PROBLEMS for index in range(3)]
        found = list(one.rollouts(folder, pairs, PROBLEMS, DRAW))
        assert {(r.problem.id, r.sample) for r in found} == {(p.id, index) for p, index in pairs}
        assert all(1 <= len(r.response.tokens) <= 12 for r in found)
        assert_equal(by_pair(one, folder, {0, 2}), by_pair(LocalReader(), folder, {0, 2}))
    finally:
        one.close()
