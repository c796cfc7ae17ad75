"""The local engine: repeatable, resumable at any step, and defined when numbers go wrong."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from red import methods
from red.engines import engine, train
from red.engines.local import policy as local
from red.errors import NumericalError
from red.plumbing import checksums
from red.plumbing.records import to_mapping
from red.plumbing.storage import read_jsonl
from red.training.guard import replay
from red.training.state import load_state, save_state

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
    spec = run_spec(name)
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
        "accuracy/rollout",
        "length/rollout",
        "entropy/rollout",
        "opt/grad_norm",
        "opt/lr",
        "loss/total",
        "tokens/generated_total",
        "tokens/trained_total",
        "words/overthink_per_1k",
    ):
        assert all(key in row for row in rows), key
    assert all("entropy/demonstration" in row for row in rows[::2])


def test_red_logs_its_weight_histogram_and_cosine(run_spec, run_files):
    files = run_files("red")
    train(run_spec("red"), files, lambda *_: None)
    rows = metrics(files)
    assert rows[0]["red/w"] == 1.0 and "red/w_raw" not in rows[0]
    for row in rows[1:]:
        expected = row["red/change_demonstration"] / max(row["red/change_rollout"], 1e-6)
        assert row["red/w_raw"] == pytest.approx(expected)
        assert row["red/w"] == pytest.approx(min(max(expected, 1.0), 8.0))
        assert sum(row[f"red/r_group_hist/{i}"] for i in range(9)) == 4
    assert all(-1 <= row["grad/cosine"] <= 1 for row in rows if "grad/cosine" in row)


def test_the_same_seed_gives_the_same_prompts_to_every_method(run_spec, run_files, monkeypatch):
    monkeypatch.setattr(local, "STATE_SECONDS", 0.0)
    grpo, red = run_files("grpo"), run_files("red")
    for name, files in (("grpo", grpo), ("red", red)):
        with pytest.raises(Interrupted):
            train(run_spec(name), files, stop_at(1))
    first, second = load_state(grpo.state), load_state(red.state)
    assert first["cursor"] == second["cursor"] == 4


def test_several_updates_per_rollout_move_the_ratio_off_one(run_spec, run_files):
    files = run_files("updates")
    train(run_spec("mix_policy", updates_per_rollout=4, lr=2e-2), files, lambda *_: None)
    assert max(row["ratio/out_of_range_rollout"] for row in metrics(files)) > 0


def test_weights_of_another_run_drive_the_controls(run_spec, run_files):
    red, control = run_files("red"), run_files("control")
    train(run_spec("red"), red, lambda *_: None)
    logged = [row["red/w"] for row in metrics(red)]
    control = replace(control, w_log=red.out / "metrics.jsonl")
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
    shutil.copytree(tiny_world / "models" / "base", broken, ignore=shutil.ignore_patterns(checksums.NAME))
    tensors = load_file(broken / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    files = replace(run_files("nan"), parent=broken)
    with pytest.raises(NumericalError, match="python -m red replay"):
        train(run_spec("sft", entropy_every=0), files, lambda *_: None)
    lines = list(replay(files.out / "failed_update"))
    assert "model.norm.weight: weights are not finite" in lines
    assert not (files.out / "checkpoint").exists()


def test_a_finished_training_keeps_no_state_and_is_published_again_without_a_step(run_spec, run_files):
    spec, files = run_spec("red"), run_files("finished")
    first = train(spec, files, lambda *_: None)
    before = {path.relative_to(files.out): path.read_bytes() for path in published(files)}
    assert not files.state.exists() and Path("snapshots/step2/model.safetensors") in before
    for path in published(files):
        kept = files.finished / path.relative_to(files.out)
        assert path.samefile(kept), "a second name takes no room"
        path.unlink()
    assert train(spec, files, stop_at(0)) == first
    assert {path.relative_to(files.out): path.read_bytes() for path in published(files)} == before


def published(files):
    folders = [files.out / name for name in ("checkpoint", "snapshots")]
    return [p for folder in folders for p in folder.rglob("*") if p.is_file()] + [files.out / "metrics.jsonl"]


def test_a_finished_training_of_another_spec_is_not_published_again(run_spec, run_files):
    files = run_files("changed")
    train(run_spec("sft"), files, lambda *_: None)
    with pytest.raises(Interrupted):
        train(run_spec("sft", lr=1e-3), files, stop_at(0))
    assert not files.finished.exists() and files.state.exists()


@pytest.mark.parametrize("name", ["red", "relift"])
def test_checkpoints_and_states_have_the_bytes_that_the_engine_says(name, run_spec, run_files, monkeypatch):
    """Weights and moments outweigh the rest of a file from a few thousand parameters on."""
    spec, files = run_spec(name, {"second_step": {"buffer": 1}} if name == "relift" else {}), run_files(name)
    monkeypatch.setattr(local, "STATE_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        train(spec, files, stop_at(5))
    states = list(files.state.glob("state-*.bin"))
    size = max(path.stat().st_size for path in states)
    train(spec, files, lambda *_: None)
    parameters = sum(tensor.numel() for tensor in weights(files).values())
    stored = engine("local").needs(spec).stored
    assert size == pytest.approx(stored.state * parameters, rel=0.15)
    assert len(states) == stored.states - 1, "one more while it is written"
    checkpoint = files.out / "checkpoint" / "model.safetensors"
    assert checkpoint.stat().st_size == pytest.approx(stored.checkpoint * parameters, rel=0.15)
