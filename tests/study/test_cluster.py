"""What `sinfo` and `nvidia-smi` say, as values; the programs are stand-ins on the path."""

import pytest

from red.study import cluster


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program on the path that prints `text`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    def install(name: str, text: str, status: int = 0) -> None:
        file = tmp_path / name
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
    program("sinfo", "slurm_load_partitions: Unable to contact slurm controller", status=1)
    assert cluster.partitions() == []
    assert cluster.describe().startswith("No Slurm controller answers")


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
