"""A training on two nodes of a real Slurm: Ray's cluster forms inside of the job that Snakemake starts."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slurm
NODES = 2
# The OpenRLHF engine's own cluster; then the local engine trains, which needs no GPU.
ENGINE = '''"""Writes down where Ray's GPUs are, and trains with the local engine."""

from dataclasses import replace

from red.engines import local


def needs(run):
    return replace(local.needs(run), gpus=run.cluster.nodes * run.cluster.policy_gpus)


def train(run, files, report):
    import json
    import os

    import ray

    from red.engines.openrlhf.allocation import ray_cluster

    def place():
        import time

        time.sleep(2)  # both GPUs are taken at the same time
        return os.environ["SLURMD_NODENAME"], os.environ["SLURM_JOB_ID"], ray.get_gpu_ids()

    with ray_cluster(run.cluster.nodes, run.cluster.policy_gpus, 1):
        task = ray.remote(num_gpus=1)(place)
        places = ray.get([task.remote() for _ in range(run.cluster.nodes)])
        nodes = sum(node["Alive"] for node in ray.nodes())
    (files.out / "places.json").write_text(json.dumps([nodes, places]))
    return local.train(run, files, report)
'''
OVERLAY = {
    "only": ["sft"],
    "common": {"engine": "gathering"},
    "cluster": {"nodes": NODES, "policy_gpus": 1},
    "items": [],
}


@pytest.fixture
def two_nodes(controller) -> None:
    """Skips where Slurm has one node, or no GPU on it, or there is no Ray."""
    listing = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%N %G"], capture_output=True, text=True)
    with_gpu = {line.split()[0] for line in listing.stdout.splitlines() if "gpu:" in line}
    if len(with_gpu) < NODES:
        pytest.skip("fewer than two nodes with a GPU: SLURM_CI_NODES=2 SLURM_CI_GPUS=1 .ci/slurm.sh start")
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: make setup-engines")


def test_a_training_on_two_nodes_has_the_gpus_of_both(two_nodes, checkout: Path, environment):
    engine = checkout / "red" / "engines" / "gathering"
    engine.mkdir()
    (engine / "__init__.py").write_text(ENGINE)
    (checkout / "two.yaml").write_text(json.dumps(OVERLAY))
    configfiles = ("--configfile", "config/default.yaml", "minimal.yaml", "two.yaml")
    quick = ("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2")
    target = "results/minimal/runs/sft/seed0/provenance.json"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", target, "--profile", "slurm", *quick, *configfiles],
        cwd=checkout,
        env=environment | {"RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(128 << 20)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    log = checkout / "logs" / "minimal" / "train" / "sft" / "seed0.log"
    assert done.returncode == 0, (log.read_text() if log.exists() else done.stderr)[-3000:]
    nodes, places = json.loads((checkout / "results/minimal/runs/sft/seed0/places.json").read_text())
    assert nodes == NODES
    assert len({node for node, _, _ in places}) == NODES, "each task ran on a node of its own"
    assert len({job for _, job, _ in places}) == 1, "in one job of Slurm"
    assert all(len(gpus) == 1 for _, _, gpus in places)
