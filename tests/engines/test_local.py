"""The local engine: repeatable, resumable at any step, and defined when numbers go wrong."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from red import methods
from red.engines import local
from red.engines.guard import replay
from red.engines.local import train
from red.engines.state import load_state, save_state
from red.errors import NumericalError
from red.records import to_mapping
from red.storage import read_jsonl

TIMED = ("time/", "gpu/")


class Interrupted(Exception):
    """Stands for a kill between two steps."""


def metrics(files):
    rows = read_jsonl(files.out / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith(TIMED)} for row in rows]


def weights(files):
    return load_file(files.out / "checkpoint" / "model.safetensors")


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def stop_at(step):
    def report(now, _):
        if now == step:
            raise Interrupted

    return report


@pytest.mark.parametrize("name", methods.names())
def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(name, run_spec, run_files, monkeypatch):
    overrides = {"finetune": {"buffer": 3}} if name == "relift" else {}
    spec = run_spec(name, overrides)
    whole, parts = run_files("whole"), run_files("parts")
    train(spec, whole, lambda *_: None)
    monkeypatch.setattr(local, "STATE_SECONDS", 0.0)
    for step in (1, 4):
        with pytest.raises(Interrupted):
            train(spec, parts, stop_at(step))
    train(spec, parts, lambda *_: None)
    assert metrics(parts) == metrics(whole)
    assert same(weights(parts), weights(whole))
    assert (parts.out / "snapshots" / "step2" / "model.safetensors").exists()


# Dr.GRPO has an entropy bonus: an untrained policy earns no reward, so GRPO alone would stand still.
@pytest.mark.parametrize("name", ["drgrpo", "red"])
def test_the_policy_moves_and_every_step_is_logged(name, run_spec, run_files, tiny_world):
    files = run_files(name)
    train(run_spec(name), files, lambda *_: None)
    base = load_file(tiny_world / "models" / "base" / "model.safetensors")
    assert not same(base, weights(files))
    rows = metrics(files)
    assert [row["train/step"] for row in rows] == list(range(6))
    for key in (
        "train/acc_on",
        "len/on",
        "entropy/rl",
        "opt/grad_norm",
        "opt/lr",
        "loss/total",
        "tokens/generated_total",
        "tokens/trained_total",
        "words/overthink_per_1k",
    ):
        assert all(key in row for row in rows), key
    assert all("entropy/sft" in row for row in rows[::2])


def test_red_logs_its_weight_histogram_and_cosine(run_spec, run_files):
    files = run_files("red")
    train(run_spec("red"), files, lambda *_: None)
    rows = metrics(files)
    assert rows[0]["red/w"] == 1.0 and "red/w_raw" not in rows[0]
    for row in rows[1:]:
        expected = row["red/dH_sft"] / max(row["red/dH_rl"], 1e-6)
        assert row["red/w_raw"] == pytest.approx(expected)
        assert row["red/w"] == pytest.approx(min(max(expected, 1.0), 8.0))
        assert sum(row[f"red/r_group_hist/{i}"] for i in range(9)) == 4
    assert all(-1 <= row["grad/cosine"] <= 1 for row in rows if "grad/cosine" in row)


def test_the_same_seed_gives_the_same_prompts_to_every_method(run_spec, run_files):
    grpo, red = run_files("grpo"), run_files("red")
    train(run_spec("grpo", steps=1), grpo, lambda *_: None)
    train(run_spec("red", steps=1), red, lambda *_: None)
    first, second = load_state(grpo.state), load_state(red.state)
    assert first["cursor"] == second["cursor"] == 4


def test_several_updates_per_rollout_move_the_ratio_off_one(run_spec, run_files):
    files = run_files("updates")
    train(run_spec("mix_policy", updates_per_rollout=4, lr=2e-2), files, lambda *_: None)
    assert max(row["ratio/out_of_range_on"] for row in metrics(files)) > 0


def test_weights_of_another_run_drive_the_controls(run_spec, run_files):
    red, control = run_files("red"), run_files("control")
    train(run_spec("red"), red, lambda *_: None)
    logged = [row["red/w"] for row in metrics(red)]
    control = replace(control, weights=red.out / "metrics.jsonl")
    spec = run_spec("red", {"weight": {"kind": "mean_of", "source": "red"}})
    train(spec, control, lambda *_: None)
    assert metrics(control)[0]["red/w"] == pytest.approx(sum(logged) / len(logged))


def test_a_damaged_state_is_reported_and_the_one_before_is_used(tmp_path, capsys):
    save_state(tmp_path, 1, {"step": 1})
    save_state(tmp_path, 2, {"step": 2})
    newest = tmp_path / "state-00000002.bin"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert load_state(tmp_path) == {"step": 1}
    assert "damaged" in capsys.readouterr().err


def test_sigterm_saves_the_state_and_the_next_start_continues(run_spec, run_files):
    spec, files = run_spec("sft", steps=400), run_files("term")
    command = [
        sys.executable,
        "-m",
        "red",
        "train",
        "--spec",
        json.dumps(to_mapping(spec)),
        "--parent",
        files.parent,
        "--prompts",
        files.prompts,
        "--demonstrations",
        files.demonstrations,
        "--out",
        files.out,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    while not files.metrics.exists() or files.metrics.read_text().count("\n") < 3:
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    done = load_state(files.state)["step"]
    assert 3 <= done < 400 and not (files.out / "checkpoint").exists()
    assert len(list(read_jsonl(files.metrics))) == done


def test_weights_that_are_not_finite_stop_the_run_with_a_replayable_update(run_spec, run_files, tiny_world, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tiny_world / "models" / "base", broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    files = replace(run_files("nan"), parent=broken)
    with pytest.raises(NumericalError, match="python -m red replay"):
        train(run_spec("sft", entropy_every=0), files, lambda *_: None)
    lines = list(replay(files.out / "failed_update"))
    assert "model.norm.weight: weights are not finite" in lines
    assert not (files.out / "checkpoint").exists()
