"""The same recorded rollouts through both engines: same loss, metrics, gradients and trained weights.

OpenRLHF's half runs in float32 without Ray and vLLM (`rank_worker.py`): its actor, its training step, its
DeepSpeed engine. Public reports trace points of accuracy to faults in exactly these: how losses of
micro-batches are averaged, temperature, and offloaded optimizers that drop micro-batches.
"""

import json
import math
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from red import methods
from red.engines.local.policy import LocalPolicy
from red.plumbing.records import to_mapping
from red.plumbing.storage import read_jsonl
from red.training.guard import replay
from red.training.loop import Loop
from red.training.spec import Cluster, RunSpec, Training
from tests.fixtures.runs import SETTINGS, UPDATES

pytest.importorskip("ray", reason="needs OpenRLHF: make setup-engines")
pytest.importorskip("deepspeed", reason="needs OpenRLHF: make setup-engines")
import rank_worker as worker  # noqa: E402

pytestmark = pytest.mark.engines

SMALL = {
    "engine": "openrlhf",
    "steps": 5,
    "prompts_per_step": 4,
    "group_size": 4,
    "max_new_tokens": 40,
    "max_prompt_tokens": 60,
    "lr": 1e-3,
    "entropy_every": 2,
    "tokens_per_forward": 150,
}
PLAIN = {"policy_gpus": 1, "colocate": False, "packing": False, "attention": "eager", "gradient_checkpointing": False}
OURS_ALONE = ("time/", "gpu/", "grad/")
RELIFT = {"second_step": {"buffer": 2}}

# name: (method, overrides of the method, changes of the training, changes of the cluster, stops)
ONE_RANK: dict[str, tuple[str, dict, dict, dict, list[int]]] = {
    **{
        name: (
            name,
            (SETTINGS | {"relift": RELIFT}).get(name, {}),
            {"updates_per_rollout": UPDATES.get(name, 1)},
            {},
            [],
        )
        for name in methods.names()
    },
    "red_zero3": ("red", {}, {}, {"zero_stage": 3}, []),
    "red_offload": ("red", {}, {}, {"zero_stage": 3, "offload_optimizer": True}, []),
    "red_one_by_one": ("red", {}, {"tokens_per_forward": 1}, {}, []),
    "red_at_once": ("red", {}, {"tokens_per_forward": 10**6}, {}, []),
    "red_packed": ("red", {}, {}, {"packing": True}, []),
    "hpt_packed": ("hpt", {}, {}, {"packing": True}, []),
    "red_warm": ("red", {}, {"temperature": 0.7}, {}, []),
    "red_decay": ("red", {}, {"weight_decay": 0.1, "grad_clip": 0.02, "warmup": 0.4}, {}, []),
    "red_updates": ("red", {}, {"updates_per_rollout": 2}, {}, []),
    "hpt_sequences": ("hpt", {}, {"sequences_per_update": 5, "lr_steps": 20}, {}, []),
    "red_resumed": ("red", {}, {}, {}, [1, 3]),
    "relift_resumed": ("relift", RELIFT, {}, {}, [2]),
    "gac_resumed": ("gac", {}, {}, {}, [2]),
    "gvpo_updates": ("gvpo", {}, {"updates_per_rollout": 2}, {}, []),
    "opd_updates": ("opd", {}, {"updates_per_rollout": 2}, {}, []),
    "opd_zero3": ("opd", {}, {}, {"zero_stage": 3}, []),
    "opd_resumed": ("opd", {}, {}, {}, [2]),
    "opsd_current": ("opsd", {"teacher": {"weights": "current"}}, {}, {}, []),
    "opsd_packed": ("opsd", {}, {}, {"packing": True}, []),
    "prefix_rft_updates": ("prefix_rft", {"mix": {"decay": 3}}, {"updates_per_rollout": 2}, {}, []),
}
TWO_RANKS = {
    "red_ranks": ("red", {}, {}, {"policy_gpus": 2}, []),
    "hpt_ranks": ("hpt", {}, {}, {"policy_gpus": 2}, []),
    "relift_ranks": ("relift", RELIFT, {}, {"policy_gpus": 2}, [2]),
    "prefix_rft_ranks": ("prefix_rft", {"mix": {"decay": 3}}, {}, {"policy_gpus": 2}, []),
    "trapo_ranks": ("trapo", SETTINGS["trapo"], {}, {"policy_gpus": 2}, []),
    "opd_ranks": ("opd", {}, {}, {"policy_gpus": 2}, []),
    "redi_ranks": ("redi", {}, {}, {"policy_gpus": 2}, []),
    "luffy_zero3_ranks": ("luffy", {}, {}, {"policy_gpus": 2, "zero_stage": 3}, []),
    "red_offload_ranks": ("red", {}, {}, {"policy_gpus": 2, "zero_stage": 3, "offload_optimizer": True}, []),
}
EVERY = {**ONE_RANK, **TWO_RANKS}
# One supervised update of 8 demonstrations in micro-batches of at most so many tokens: all at once, several together,
# one by one (docs/methods.md section 17.8).
ONE_UPDATE = {"steps": 1, "prompts_per_step": 8}
PARTS = {
    f"sft_{tokens}_tokens_{ranks}_ranks": (
        "sft",
        {},
        {**ONE_UPDATE, "tokens_per_forward": tokens},
        {"policy_gpus": ranks},
        [],
    )
    for tokens, ranks in ((10**6, 1), (150, 1), (1, 1), (100, 2), (1, 2))
}
WHOLE, *CUT = PARTS
# No gradient is as small as this.
LEFT_OUT = {
    "red_left_out": ("red", {}, {"skip_norm": 1e-9}, {}, []),
    "red_left_out_zero3": ("red", {}, {"skip_norm": 1e-9}, {"zero_stage": 3}, []),
}
# One supervised update of 32 sequences in bfloat16, as on a GPU.
BFLOAT16: dict[str, tuple[dict, int, dict]] = {
    "bf16_broken": ({"dtype": "bf16", "broken": True}, 150, {}),
    "bf16_at_once": ({"dtype": "bf16"}, 10**6, {}),
    "bf16_one_by_one": ({"dtype": "bf16"}, 1, {}),
    "bf16_zero3": ({"dtype": "bf16"}, 1, {"zero_stage": 3}),
    "bf16_offload": ({"dtype": "bf16"}, 1, {"zero_stage": 3, "offload_optimizer": True}),
}


def case_of(name: str, world: Path) -> dict[str, Any]:
    if name in BFLOAT16:
        extra, tokens, cluster = BFLOAT16[name]
        training = {"steps": 5 if "broken" in extra else 1, "prompts_per_step": 32, "tokens_per_forward": tokens}
        return {**_case(name, ("sft", {}, training, cluster, []), world), **extra}
    return _case(name, {**EVERY, **LEFT_OUT, **PARTS}[name], world)


def _case(name: str, row: tuple[str, dict, dict, dict, list[int]], world: Path) -> dict[str, Any]:
    method, overrides, training, cluster, stops = row
    run = RunSpec(
        run=name,
        seed=5,
        scale="tiny",
        method=method,
        template="plain",
        overrides=overrides,
        training=Training(**{**SMALL, **training}),
        cluster=Cluster(**{**PLAIN, **cluster}),
    )
    return {"name": name, "world": str(world), "run": to_mapping(run), "stop_after": stops}


@pytest.fixture(scope="session")
def remote(world, environment, tmp_path_factory):
    """Folder of a case's results under OpenRLHF; all cases of a number of ranks run in one go."""
    made: dict[int, Path] = {}

    def folder(name: str) -> Path:
        ranks = 2 if name in TWO_RANKS or name.endswith("_2_ranks") else 1
        of_parts = [part for part in PARTS if part.endswith(f"_{ranks}_ranks")]
        cases = [*TWO_RANKS, *of_parts] if ranks == 2 else [*ONE_RANK, *LEFT_OUT, *BFLOAT16, *of_parts]
        if ranks not in made:
            made[ranks] = tmp_path_factory.mktemp(f"remote{ranks}")
            run_ranks(ranks, [case_of(case, world) for case in cases], environment, made[ranks])
        return made[ranks] / name / "rank0"

    return folder


def run_ranks(ranks: int, cases: list[dict], environment: dict[str, str], out: Path) -> None:
    (out / "cases.json").write_text(json.dumps(cases))
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    logs = [out / f"log{rank}.txt" for rank in range(ranks)]
    processes = []
    for rank, log in enumerate(logs):
        variables = {
            "RANK": str(rank),
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, worker.__file__, str(out / "cases.json"), str(out)],
                stdout=log.open("w"),
                stderr=subprocess.STDOUT,
                env={**environment, **variables},
            )
        )
    codes = [process.wait(timeout=900) for process in processes]
    assert not any(codes), logs[0].read_text()[-3000:]


@pytest.fixture(scope="session")
def compared(world, remote, tmp_path_factory):
    """(OpenRLHF's result and metrics, the local engine's) of a case; each case is made once."""
    made: dict[str, tuple] = {}

    def compare(name: str) -> tuple:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = (*collected(remote(name)), *local(case_of(name, world), folder))
        return made[name]

    return compare


def collected(folder: Path) -> tuple[dict, list[dict]]:
    return torch.load(folder / "result.pt"), list(read_jsonl(folder / "state" / "metrics.jsonl"))


def local(case: dict[str, Any], out: Path) -> tuple[dict, list[dict]]:
    """The case under the local engine, with the gradient of its first update before clipping."""
    run, files = worker.run_of(case), worker.files_of(case, out)
    policy = Replaying.start(run, files)
    loop = Loop.start(run, files, policy, worker.verdicts)
    clip, gradients = torch.nn.utils.clip_grad_norm_, {}

    def recording(parameters, limit):
        if not gradients:
            named = policy.weights.model.named_parameters()
            gradients.update((name, p.grad.clone()) for name, p in named)
        return clip(parameters, limit)

    torch.nn.utils.clip_grad_norm_ = recording
    try:
        loop.train(lambda *_: None, lambda: False, 1e9)
    finally:
        torch.nn.utils.clip_grad_norm_ = clip
    weights = {name: value.clone() for name, value in policy.weights.model.state_dict().items()}
    return {"gradients": gradients, "weights": weights}, list(read_jsonl(files.metrics))


class Replaying(LocalPolicy):
    """The local policy with recorded rollouts."""

    @property
    def generate(self):
        return worker.recorded(self.codec.stop_ids[0], self.codec.tokenizer.get_vocab_size())


def relative(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    """Norm of the difference over the norm, all tensors together."""
    names = sorted(left.keys() & right.keys())
    assert names
    gap = math.sqrt(sum((left[n] - right[n]).square().sum().item() for n in names))
    return gap / math.sqrt(sum(right[n].square().sum().item() for n in names))


@pytest.mark.parametrize("name", EVERY)
def test_the_first_update_has_the_same_loss_metrics_and_gradient(name, compared):
    theirs, their_rows, ours, our_rows = compared(name)
    first, expected = their_rows[0], our_rows[0]
    for key in expected:
        if not key.startswith(OURS_ALONE):
            # A standard error is made of differences, which keep the entropies' rounding.
            rounding = 1e-6 if key.endswith("_se") else 1e-7
            assert first[key] == pytest.approx(expected[key], rel=1e-5, abs=rounding), key
    assert relative(theirs["gradients"], ours["gradients"]) < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_five_steps_end_at_the_same_weights_and_metrics(name, compared, world):
    theirs, their_rows, ours, our_rows = compared(name)
    assert [row["train/step"] for row in their_rows] == list(range(5))
    for row, expected in zip(their_rows, our_rows, strict=True):
        for key in expected:
            if not key.startswith(OURS_ALONE):
                assert row[key] == pytest.approx(expected[key], rel=2e-3, abs=1e-4), key
    if not {"zero3", "offload"} & set(name.split("_")):  # their weights are not whole in any process
        from safetensors.torch import load_file

        base = load_file(world / "model" / "model.safetensors")
        moved = relative(ours["weights"], base)
        assert moved > 1e-3
        assert relative(theirs["weights"], ours["weights"]) < 0.01 * moved


@pytest.mark.parametrize("name", LEFT_OUT)
def test_updates_of_too_large_a_gradient_are_left_out_and_counted(name, compared, world):
    from safetensors.torch import load_file

    theirs, their_rows, ours, our_rows = compared(name)
    for rows in (their_rows, our_rows):
        assert [row["opt/skipped"] for row in rows] == [1, 2, 3, 4, 5]
        assert not any("opt/grad_norm" in row for row in rows)
    base = load_file(world / "model" / "model.safetensors")
    found = [ours["weights"], *([] if "zero3" in name else [theirs["weights"]])]
    for weights in found:
        shared = weights.keys() & base.keys()
        assert shared and all(torch.equal(weights[key], base[key]) for key in shared)
    # Nothing moves, so what the rollouts of each step get is the base's opinion, under both engines. A loss is a sum of
    # terms of both signs, so what is small is only as exact as they are.
    theirs_lost, ours_lost = ([row["loss/total"] for row in rows] for rows in (their_rows, our_rows))
    assert theirs_lost == pytest.approx(ours_lost, rel=1e-4, abs=1e-4 * max(map(abs, ours_lost)))


@pytest.mark.parametrize("name", ["red_resumed", "relift_resumed", "gac_resumed", "opd_resumed"])
def test_a_resumed_run_repeats_the_uninterrupted_one_exactly(name, remote):
    resumed, rows = collected(remote(name))
    whole, expected = collected(remote(name.removesuffix("_resumed")))
    for key, value in whole["weights"].items():
        assert torch.equal(resumed["weights"][key], value), key
    for row, other in zip(rows, expected, strict=True):
        assert {k: v for k, v in row.items() if not k.startswith(OURS_ALONE)} == {
            k: v for k, v in other.items() if not k.startswith(OURS_ALONE)
        }


@pytest.mark.parametrize("name", CUT)
def test_any_number_of_micro_batches_and_ranks_gives_the_gradient_and_the_step_of_one(name, remote, world):
    """Only the first micro-batch's gradient, or a mean of their means, would be off by a tenth."""
    from safetensors.torch import load_file

    (parts, _), (whole, _) = collected(remote(name)), collected(remote(WHOLE))
    ranks = case_of(name, world)["run"]["cluster"]["policy_gpus"]
    assert whole["parts"] == 1
    assert parts["parts"] == 8 / ranks if "_1_tokens" in name else 1 < parts["parts"] < 8 / ranks
    assert relative(parts["gradients"], whole["gradients"]) < 1e-6
    moved = relative(whole["weights"], load_file(world / "model" / "model.safetensors"))
    assert moved > 1e-4
    # Adam divides each derivative by its size, the smallest ones too.
    assert relative(parts["weights"], whole["weights"]) < 1e-3 * moved


@pytest.mark.parametrize("name", ["bf16_one_by_one", "bf16_zero3", "bf16_offload"])
def test_gradients_of_micro_batches_are_summed_in_float32(name, remote):
    parts, whole = (torch.load(remote(n) / "result.pt")["gradients"] for n in (name, "bf16_at_once"))
    # Each part is rounded to bfloat16 once, a relative 2**-9 at most. A sum of 32 in bfloat16: 0.0065.
    assert relative(parts, whole) < 0.004


def test_updates_that_are_not_finite_are_left_out_and_end_the_run_with_a_replay(remote):
    folder = remote("bf16_broken")
    error = torch.load(folder / "result.pt")["error"]
    assert error.startswith("step 2: ") and "3 updates in a row" in error
    saved = folder / "failed_update"
    assert "model.norm.weight: weights are not finite" in list(replay(saved))
