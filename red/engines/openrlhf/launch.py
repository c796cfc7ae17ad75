"""The driver: OpenRLHF's own `train_ppo_ray`, with our classes in the place of two of its classes."""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import ray

from red.engines.openrlhf import arguments, states
from red.engines.openrlhf.allocation import ray_cluster
from red.engines.openrlhf.controller import Controller, Task
from red.engines.openrlhf.watch import beside, watched
from red.plumbing.provenance import ROOT
from red.plumbing.storage import parse_row, read_json
from red.training.files import Report, RunFiles, Trained
from red.training.spec import RunSpec

SECONDS_BETWEEN_REPORTS = 2.0


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Start the cluster, run OpenRLHF's driver to its end, and read what the controller left."""
    files = RunFiles(
        *(getattr(files, name) and getattr(files, name).resolve() for name in RunFiles.__dataclass_fields__)
    )
    task = Task(run, files, arguments.gpus(run))
    for old in (task.stop, task.result):
        old.unlink(missing_ok=True)
    files.state.mkdir(parents=True, exist_ok=True)
    states.keep_whole(states.folder(files), arguments.ranks(run.cluster))
    # Ray's workers must find this package, wherever the driver was started.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    nodes = run.cluster.nodes
    per_node = -(-task.gpus // nodes)
    with (
        watched(files.metrics, run.cluster.stall_minutes),
        ray_cluster(nodes, per_node, max(os.cpu_count() or 1, 2 * per_node + 2)),
        _stop_signal(task.stop) as received,
        _following(files.metrics, report),
    ):
        _openrlhf(task)
    result = read_json(task.result)
    if not result["ended"]:
        raise SystemExit(128 + received[0])
    files.publish(result["steps"])
    return Trained(result["steps"], result["stopped"], result["counts"])


def _openrlhf(task: Task) -> None:
    from openrlhf.trainer import ppo_trainer
    from openrlhf.trainer.ray import ppo_actor, vllm_engine

    from red.engines.openrlhf.actor import PolicyActor
    from red.engines.openrlhf.samples import RolloutActor

    controller = ray.remote(Controller)
    ppo_actor.PolicyModelActor = ray.remote(num_gpus=1)(PolicyActor)
    vllm_engine.RolloutRayActor = ray.remote(RolloutActor)
    ppo_trainer.PPOTrainer = SimpleNamespace(
        remote=lambda *positional, **named: controller.remote(task, *positional, **named)
    )
    before = sys.argv
    sys.argv = ["train_ppo_ray", *arguments.arguments(task.run, task.files)]
    try:
        runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__", alter_sys=True)
    finally:
        sys.argv = before


@contextmanager
def _stop_signal(stop: Path) -> Iterator[list[int]]:
    """SIGTERM and SIGINT become a file that the controller looks for after each step."""
    received: list[int] = []

    def handler(number: int, _frame: object) -> None:
        received.append(number)
        stop.touch()

    previous = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextmanager
def _following(metrics: Path, report: Report) -> Iterator[None]:
    """Report each step that the controller, in another process, has written."""

    def follow(ended: threading.Event) -> None:
        seen = -1
        while True:
            last = ended.wait(SECONDS_BETWEEN_REPORTS)
            lines = metrics.read_bytes().split(b"\n")[:-1] if metrics.exists() else []
            for row in (parse_row(line, str(metrics)) for line in lines):
                if row["train/step"] > seen:
                    seen = row["train/step"]
                    report(seen, row)
            if last:
                return

    with beside(follow):
        yield
