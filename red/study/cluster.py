"""What this machine and its Slurm offer, asked with the tools of the vendors. Nothing here fails."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = 20
# What shows whether a job has ended; one of them is enough.
STATUS = ("squeue", "sacct")
PLUGIN = "snakemake_executor_plugin_slurm"


@dataclass(frozen=True)
class Gpu:
    """One GPU of this machine; memory in MiB."""

    name: str
    memory_mib: int
    driver: str


@dataclass(frozen=True)
class Partition:
    """One Slurm partition: longest job in minutes (None: no limit), nodes, and the largest node's offer."""

    name: str
    is_default: bool
    minutes: int | None
    nodes: int
    cpus: int
    memory_mb: int
    gpus: int


def gpus() -> list[Gpu]:
    """GPUs that `nvidia-smi` shows; empty without it."""
    query = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    rows = [[part.strip() for part in line.rsplit(",", 2)] for line in _lines(query)]
    return [Gpu(row[0], int(row[1]), row[2]) for row in rows if len(row) == 3 and row[1].isdigit()]


def cuda_of_driver() -> str | None:
    """The newest CUDA version that the driver serves, e.g. `13.0`."""
    found = re.search(r"CUDA Version:\s*([\d.]+)", "\n".join(_lines(("nvidia-smi",))))
    return found[1] if found else None


def cuda_of_compiler() -> str | None:
    """The CUDA version of `nvcc`, e.g. `13.0`; None where there is none."""
    home = os.environ.get("CUDA_HOME")
    output = _output((f"{home}/bin/nvcc" if home else "nvcc", "--version"))
    found = re.search(r"release ([\d.]+)", output or "")
    return found[1] if found else None


def partitions() -> list[Partition]:
    """Partitions that `sinfo` shows; empty where no controller answers."""
    found: dict[str, Partition] = {}
    for line in _lines(("sinfo", "--noheader", "--format=%P|%l|%D|%c|%m|%G")):
        parts = line.split("|")
        if len(parts) == 6:
            one = _partition(parts)
            found[one.name] = _larger(found[one.name], one) if one.name in found else one
    return list(found.values())


def lacking() -> str | None:
    """What a Slurm that is here in part lacks, and the remedy, in one line; None where it is whole or absent.

    `slurm/profile.yaml` submits under the same conditions. Without the first Snakemake does not even start: it loads
    its Slurm plugin before it reads anything of ours, and the plugin raises.
    """
    if shutil.which("sinfo") is None:
        return None
    if not any(map(shutil.which, STATUS)):
        return "sinfo is here but neither squeue nor sacct: install Slurm's client programs, or take sinfo out of PATH"
    if not partitions():
        return None
    absent = [name for name in ("sbatch", "sacct") if shutil.which(name) is None]
    if absent:
        return f"sinfo answers, but {' and '.join(absent)} cannot be found: log in where all of Slurm's programs are"
    if not any(_answers((name, "--noheader")) for name in STATUS):
        return "sinfo answers, but neither squeue nor sacct does: no job could be followed until one of them works"
    if importlib.util.find_spec(PLUGIN) is None:
        return "Slurm answers, but Snakemake's plugin is not here: pip install snakemake-executor-plugin-slurm"
    return None


def describe() -> str:
    """One line for people."""
    lack, found = lacking(), partitions()
    if lack:
        return f"Slurm is not used: {lack}"
    if found:
        shown = ", ".join(f"{p.name} ({p.nodes} nodes, {p.gpus} GPUs each at most)" for p in found)
        return f"Slurm answers: {shown}"
    here = gpus()
    return f"No Slurm controller answers; GPUs here: {len(here)}" + (f" x {here[0].name}" if here else "")


def minutes_of(limit: str) -> int | None:
    """`2-12:00:00`, `12:00:00`, `30:00` as minutes; None for `infinite`."""
    days, _, clock = limit.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or (days and not days.isdigit()):
        return None
    hours, minutes, _ = ["0"] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + int(hours) * 60 + int(minutes)


def _partition(parts: Sequence[str]) -> Partition:
    name, limit, nodes, cpus, memory, gres = parts
    return Partition(
        name.rstrip("*"),
        name.endswith("*"),
        minutes_of(limit),
        _number(nodes),
        _number(cpus),
        _number(memory),
        sum(_gpus_of(part) for part in gres.split(",")),
    )


def _gpus_of(gres: str) -> int:
    """`gpu:h100:8(S:0-1)` -> 8; other resources 0."""
    parts = gres.partition("(")[0].split(":")
    return _number(parts[-1]) if parts[0] == "gpu" and len(parts) > 1 else 0


def _larger(a: Partition, b: Partition) -> Partition:
    """Lines of one partition differ by kind of node: add the nodes, keep the largest offers."""
    largest = {name: max(getattr(a, name), getattr(b, name)) for name in ("cpus", "memory_mb", "gpus")}
    return Partition(a.name, a.is_default, a.minutes, a.nodes + b.nodes, **largest)


def _number(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isdigit() else 0


def _answers(command: Sequence[str]) -> bool:
    return _output(command) is not None


def _lines(command: Sequence[str]) -> list[str]:
    return (_output(command) or "").splitlines()


def _output(command: Sequence[str]) -> str | None:
    """None where the program is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
