"""Trackers get every step, and none of them can stop a training."""

import sys
from types import SimpleNamespace

import pytest

from red.errors import ConfigError
from red.plumbing.tracking import names, tracking
from red.study import config


class FakeRun:
    def __init__(self, fails_at: int | None = None) -> None:
        self.rows, self.finished, self.fails_at = [], False, fails_at

    def log(self, metrics, step):
        if step == self.fails_at:
            raise RuntimeError("the server is gone\nfor good")
        self.rows.append((step, metrics))

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in for the package; `made` are the arguments of init."""
    module = SimpleNamespace(run=FakeRun(), made=[])
    module.init = lambda **options: module.made.append(options) or module.run
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def follow(names, folder, steps=3):
    with tracking(names, "red seed 0", folder, {"run": "red"}) as trackers:
        for step in range(steps):
            trackers.report(step, {"loss/total": step / 2})


def test_every_step_arrives_under_its_name(wandb, tmp_path):
    follow(["wandb"], tmp_path)
    assert wandb.run.rows == [(0, {"loss/total": 0.0}), (1, {"loss/total": 0.5}), (2, {"loss/total": 1.0})]
    assert wandb.made[0]["name"] == "red seed 0" and wandb.made[0]["config"] == {"run": "red"}
    assert wandb.run.finished


def test_a_missing_package_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    follow(["trackio"], tmp_path)
    error = capsys.readouterr().err
    assert "tracking: trackio is off" in error and error.count("\n") == 1


def test_a_tracker_that_fails_is_left_out_and_the_others_go_on(wandb, tmp_path, capsys, monkeypatch):
    broken = SimpleNamespace(init=lambda **_: FakeRun(fails_at=1))
    monkeypatch.setitem(sys.modules, "trackio", broken)
    follow(["trackio", "wandb"], tmp_path)
    assert capsys.readouterr().err == "tracking: trackio is off: the server is gone\\nfor good\n"
    assert len(wandb.run.rows) == 3


def test_nothing_is_imported_unless_asked_for(tmp_path):
    before = set(sys.modules)
    follow([], tmp_path)
    assert not {"wandb", "trackio", "tensorboard"} & (set(sys.modules) - before)


def test_tensorboard_writes_event_files_into_the_run_folder(tmp_path):
    pytest.importorskip("tensorboard")
    follow(["tensorboard"], tmp_path)
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert b"loss/total" in file.read_bytes()


def test_a_tracker_that_does_not_exist_is_one_line_with_the_known_ones(repository):
    document = config.load(repository / "config" / "default.yaml")
    config.check({**document, "tracking": names()})
    with pytest.raises(ConfigError, match=r"^tracking: 'wandbb' is not one of tensorboard, trackio, wandb$"):
        config.check({**document, "tracking": ["wandbb"]})
