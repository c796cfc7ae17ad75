"""A Ray cluster over the nodes of a Slurm allocation, or on this machine alone. Standard library."""

import os
import re
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
    """Names of the nodes of this process's Slurm job, its own first; empty outside of Slurm.

    The controller is asked: Snakemake starts a training as a step of one task, which knows of one node only.
    """
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return []
    nodes = _said("squeue", "--noheader", f"--jobs={job}", "--format=%N")
    names = _said("scontrol", "show", "hostnames", nodes).split()
    here = environment.get("SLURMD_NODENAME", names[0])
    return sorted(names, key=lambda name: name != here)


def address_of(node: str) -> str:
    """Where Slurm itself reaches the node; the name alone where it does not say."""
    found = re.search(r"\bNodeAddr=(\S+)", _said("scontrol", "show", "node", node, "--oneliner"))
    return socket.gethostbyname(found[1] if found else node)


def head_port(job: str) -> int:
    """A port that two jobs on one node are unlikely to share."""
    return FIRST_PORT + int(job) % PORTS


def head_command(address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Starts Ray's head where this process runs, with what its step has."""
    place = [f"--node-ip-address={address}", f"--port={port}", "--include-dashboard=false"]
    return ["ray", "start", "--head", *place, *_offer(cpus, gpus)]


def worker_command(job: str, name: str, address: str, port: int, cpus: int, gpus: int) -> list[str]:
    """Joins the node `name` to the head, in a job step of its own beside the driver's."""
    step = [f"--jobid={job}", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={name}", "--kill-on-bad-exit=0"]
    gres = [f"--gres=gpu:{gpus}"] if gpus else []
    own = [f"--node-ip-address={address_of(name)}", f"--address={address}:{port}"]
    return ["srun", *step, *gres, "ray", "start", *own, *_offer(cpus, gpus)]


def step_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what Slurm says of the step of this process: `srun` would take it for the wishes of the next."""
    kept = ("SLURM_JOB_ID", "SLURM_CONF")
    return {k: v for k, v in environment.items() if k in kept or not k.startswith(("SLURM_", "SRUN_", "SBATCH_"))}


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
    job = os.environ["SLURM_JOB_ID"]
    address, port = address_of(names[0]), head_port(job)
    steps.append(subprocess.Popen(head_command(address, port, cpus, gpus)))

    def connected() -> bool:
        try:
            ray.init(address=f"{address}:{port}")
        except ConnectionError:
            return False
        return True

    # A node that finds no head gives up: the head comes first.
    _wait(connected, f"Ray's head on {names[0]} does not answer", steps)
    for name in names[1:nodes]:
        command = worker_command(job, name, address, port, cpus, gpus)
        steps.append(subprocess.Popen(command, env=step_environment(os.environ)))
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


def _said(*command: str) -> str:
    """RedError with what the program complains of."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RedError(f"{command[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout.strip()


def _offer(cpus: int, gpus: int) -> list[str]:
    return [f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--disable-usage-stats", "--block"]
