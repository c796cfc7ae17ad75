"""A Ray cluster over the nodes of a Slurm allocation, or on this machine alone. Standard library."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager

from red.errors import RedError

FIRST_PORT = 20000
PORTS = 20000
SECONDS_TO_JOIN = 300
SECONDS_TO_END = 30


def hosts(environment: Mapping[str, str]) -> list[str]:
    """Names of the allocation's nodes, the driver's first; empty outside of Slurm."""
    nodes = environment.get("SLURM_JOB_NODELIST")
    if not nodes:
        return []
    listing = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
    names = listing.stdout.split()
    here = environment.get("SLURMD_NODENAME", names[0])
    return sorted(names, key=lambda name: name != here)


def head_port(job: str) -> int:
    """A port that two jobs on one node are unlikely to share."""
    return FIRST_PORT + int(job) % PORTS


def head_command(host: str, address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Starts Ray's head on `host`."""
    return [
        *_srun([host]),
        "ray",
        "start",
        "--head",
        f"--node-ip-address={address}",
        f"--port={port}",
        "--include-dashboard=false",
        *_offer(cpus, gpus),
    ]


def worker_command(names: Seq[str], address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Joins every node of `names` to the head, in one job step."""
    return [*_srun(names), "ray", "start", f"--address={address}:{port}", *_offer(cpus, gpus)]


@contextmanager
def ray_cluster(nodes: int, gpus_per_node: int, cpus_per_node: int) -> Iterator[None]:
    """Connect this process to Ray with that much on offer, and shut it down afterwards.

    RedError if the allocation is too small or not all nodes join.
    """
    import ray

    steps: list[subprocess.Popen[bytes]] = []
    try:
        if nodes == 1:
            ray.init(address="local", num_cpus=cpus_per_node, num_gpus=gpus_per_node, include_dashboard=False)
        else:
            _start(nodes, gpus_per_node, cpus_per_node, steps)
        yield
    finally:
        ray.shutdown()
        for step in reversed(steps):
            _end(step)


def _start(nodes: int, gpus: int, cpus: int, steps: list[subprocess.Popen[bytes]]) -> None:
    import ray

    names = hosts(os.environ)
    if len(names) < nodes:
        raise RedError(f"cluster.nodes: {nodes} nodes asked, but the Slurm allocation has {len(names)}")
    address, port = socket.gethostbyname(names[0]), head_port(os.environ["SLURM_JOB_ID"])
    steps.append(subprocess.Popen(head_command(names[0], address, port, cpus, gpus)))

    def connected() -> bool:
        try:
            ray.init(address=f"{address}:{port}")
        except ConnectionError:
            return False
        return True

    # A node that finds no head gives up: the head comes first.
    _wait(connected, f"Ray's head on {names[0]} does not answer", steps)
    steps.append(subprocess.Popen(worker_command(names[1:nodes], address, port, cpus, gpus)))
    _wait(
        lambda: sum(node["Alive"] for node in ray.nodes()) >= nodes,
        f"not all of {', '.join(names[:nodes])} joined Ray",
        steps,
    )


def _wait(done: Callable[[], bool], complaint: str, steps: Seq[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + SECONDS_TO_JOIN
    while not done():
        if time.monotonic() > deadline or any(step.poll() is not None for step in steps):
            raise RedError(f"{complaint}; the lines of `ray start` above say more")
        time.sleep(2)


def _end(step: subprocess.Popen[bytes]) -> None:
    step.terminate()
    try:
        step.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        step.kill()
        step.wait()


def _srun(names: Seq[str]) -> list[str]:
    count = len(names)
    return [
        "srun",
        "--overlap",
        f"--nodes={count}",
        f"--ntasks={count}",
        "--ntasks-per-node=1",
        f"--nodelist={','.join(names)}",
        "--kill-on-bad-exit=0",
    ]


def _offer(cpus: int, gpus: int) -> list[str]:
    return [f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--disable-usage-stats", "--block"]
