"""What `make` says before it starts Snakemake."""

import os
import subprocess

from tests.fixtures.programs import only, programs


def test_make_says_in_one_line_that_half_a_slurm_would_stop_snakemake(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", only(tmp_path / "system", "sh", "make"))
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    command = ["make", "--no-print-directory", "--old-file=setup", "whole-slurm"]
    alone = os.environ | {"PATH": programs(tmp_path / "alone", sinfo="exit 0")}
    done = subprocess.run(command, cwd=repository, env=alone, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout.splitlines() == ["sinfo is here but neither squeue nor sacct; the remedy: python -m red doctor"]
    whole = os.environ | {"PATH": programs(tmp_path / "whole", sinfo="exit 0", squeue="exit 0")}
    assert subprocess.run(command, cwd=repository, env=whole, capture_output=True).returncode == 0
    assert subprocess.run(command, cwd=repository, capture_output=True).returncode == 0
