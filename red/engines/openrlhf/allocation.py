"""A Ray cluster over the nodes of a Slurm allocation, or on this machine alone. Standard library."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager

from red.errors import RedError

FIRST_PORT = 20000
PORTS = 20000
SECONDS_TO_JOIN = 300


def hosts(environment: Mapping[str, str]) -> list[str]:
    """Names of the allocation's nodes, the driver's first; empty outside of Slurm."""
    nodes = environment.get("SLURM_JOB_NODELIST")
    if not nodes:
        return []
    done = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    here = environment.get("SLURMD_NODENAME", names[0])
    return sorted(names, key=lambda name: name != here)


def head_port(job: str) -> int:
    """A port that two jobs on one node are unlikely to share."""
    return FIRST_PORT + int(job) % PORTS


def head_command(host: str, address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Starts Ray's head on `host`."""
    return [*_srun([host]), "ray", "start", "--head", f"--node-ip-address={address}", f"--port={port}",
            *_offer(cpus, gpus)]


def worker_command(names: Seq[str], address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Joins every node of `names` to the head, in one job step."""
    return [*_srun(names), "ray", "start", f"--address={address}:{port}", *_offer(cpus, gpus)]


@contextmanager
def ray_cluster(nodes: int, gpus_per_node: int, cpus_per_node: int) -> Iterator[None]:
    """Connect this process to Ray with at least that much on offer, and shut it down afterwards."""
    import ray

    found = hosts(os.environ) if nodes > 1 else []
    if nodes > 1 and len(found) < nodes:
        raise RedError(f"cluster.nodes: {nodes} nodes asked, but the Slurm allocation has {len(found)}")
    steps: list[subprocess.Popen] = []
    try:
        if nodes == 1:
            ray.init(num_cpus=cpus_per_node, num_gpus=gpus_per_node, include_dashboard=False)
        else:
            address, port = socket.gethostbyname(found[0]), head_port(os.environ["SLURM_JOB_ID"])
            offer = (address, port, cpus_per_node, gpus_per_node)
            steps.append(subprocess.Popen(head_command(found[0], *offer)))
            steps.append(subprocess.Popen(worker_command(found[1:nodes], *offer)))
            _join(f"{address}:{port}", nodes, steps)
        yield
    finally:
        ray.shutdown()
        for step in steps:
            step.terminate()
            step.wait()


def _join(address: str, nodes: int, steps: Seq[subprocess.Popen]) -> None:
    import ray

    deadline = time.monotonic() + SECONDS_TO_JOIN
    while time.monotonic() < deadline:
        if any(step.poll() is not None for step in steps):
            raise RedError("a `ray start` of the allocation ended at once; see its lines above")
        try:
            if not ray.is_initialized():
                ray.init(address=address)
            if sum(node["Alive"] for node in ray.nodes()) >= nodes:
                return
        except ConnectionError:
            pass
        time.sleep(2)
    raise RedError(f"Ray at {address}: not all {nodes} nodes joined within {SECONDS_TO_JOIN} s")


def _srun(names: Seq[str]) -> list[str]:
    count = len(names)
    return ["srun", "--overlap", f"--nodes={count}", f"--ntasks={count}", "--ntasks-per-node=1",
            f"--nodelist={','.join(names)}", "--kill-on-bad-exit=0"]


def _offer(cpus: int, gpus: int) -> list[str]:
    return [f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--disable-usage-stats", "--block"]
