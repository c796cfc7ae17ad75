"""What `sinfo` and `nvidia-smi` say, as values; the programs are stand-ins on the path."""

import pytest

from red.study import cluster
from tests.fixtures.programs import only


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program on the path that prints `text`; no other of Slurm's or of a GPU's is there."""
    system, installed = only(tmp_path / "system", "sh", "cat"), tmp_path / "installed"
    installed.mkdir()
    monkeypatch.setenv("PATH", f"{installed}:{system}")

    def install(name: str, text: str, status: int = 0) -> None:
        file = installed / name
        file.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        file.chmod(0o755)

    return install


def test_lines_of_one_partition_are_joined(program):
    program(
        "sinfo",
        "gpu*|2-00:00:00|4|64|500000+|gpu:h100:8(S:0-1)\ngpu*|2-00:00:00|1|32|100000|gpu:2\n"
        "cpu|infinite|9|16|64000|(null)",
    )
    gpu, cpu = cluster.partitions()
    assert (gpu.name, gpu.is_default, gpu.minutes, gpu.nodes, gpu.gpus) == ("gpu", True, 2880, 5, 8)
    assert (gpu.cpus, gpu.memory_mb) == (64, 500000)
    assert (cpu.minutes, cpu.gpus, cpu.is_default) == (None, 0, False)


def test_tools_without_a_controller_mean_no_partition(program):
    for name in ("sinfo", "squeue", "sacct", "sbatch"):
        program(name, "slurm_load_partitions: Unable to contact slurm controller", status=1)
    assert cluster.partitions() == []
    assert cluster.lacking() is None
    assert cluster.describe().startswith("No Slurm controller answers")


def test_without_any_of_its_programs_slurm_is_absent_and_lacks_nothing(program):
    assert cluster.lacking() is None
    assert cluster.describe() == "No Slurm controller answers; GPUs here: 0"


PARTS = {
    # programs and their exit statuses: what the one line names
    "sinfo alone": ({"sinfo": 0}, "neither squeue nor sacct"),
    "sinfo alone without a controller": ({"sinfo": 1}, "neither squeue nor sacct"),
    "nothing submits": ({"sinfo": 0, "squeue": 0, "sacct": 0}, "sbatch cannot be found"),
    "sacct is missing": ({"sinfo": 0, "squeue": 0, "sbatch": 0}, "sacct cannot be found"),
    "nothing shows jobs": ({"sinfo": 0, "squeue": 1, "sacct": 1, "sbatch": 0}, "neither squeue nor sacct does"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_slurm_that_is_here_in_part_is_told_in_one_line(program, part):
    programs, named = PARTS[part]
    for name, status in programs.items():
        program(name, "gpu*|infinite|4|64|500000|gpu:8", status)
    lack = cluster.lacking()
    assert lack is not None and named in lack and "\n" not in lack
    assert cluster.describe() == f"Slurm is not used: {lack}"


def test_a_whole_slurm_without_accounting_lacks_only_the_plugin(program, monkeypatch):
    for name, status in {"sinfo": 0, "squeue": 0, "sacct": 1, "sbatch": 0}.items():
        program(name, "gpu*|infinite|4|64|500000|gpu:8", status)
    monkeypatch.setattr(cluster, "PLUGIN", "json")
    assert cluster.lacking() is None
    assert cluster.describe() == "Slurm answers: gpu (4 nodes, 8 GPUs each at most)"
    monkeypatch.setattr(cluster, "PLUGIN", "a_plugin_that_is_not_installed")
    assert "pip install snakemake-executor-plugin-slurm" in (cluster.lacking() or "")


def test_gpus_and_the_cuda_of_their_driver(program):
    program("nvidia-smi", "NVIDIA H100 80GB HBM3, 81559, 580.65.06")
    (gpu,) = cluster.gpus()
    assert (gpu.memory_mib, gpu.driver) == (81559, "580.65.06")
    program("nvidia-smi", "| NVIDIA-SMI 580.65.06    Driver Version: 580.65.06    CUDA Version: 13.0 |")
    assert cluster.cuda_of_driver() == "13.0"


@pytest.mark.parametrize(
    ("limit", "minutes"), [("30:00", 30), ("12:00:00", 720), ("1-00:00:00", 1440), ("infinite", None), ("n/a", None)]
)
def test_time_limits_are_minutes(limit, minutes):
    assert cluster.minutes_of(limit) == minutes
