"""A training on a processor with AVX-512 has the bits of one without it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from red.models.processor import INSTRUCTIONS

ROOT = Path(__file__).parents[2]
AFTER_LOADING = """
import sys, torch
from red.models.checkpoint import load
load(sys.argv[1])
print(torch.backends.cpu.get_cpu_capability())
"""


def capability(folder, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in INSTRUCTIONS} | variables
    command = [sys.executable, "-c", AFTER_LOADING, str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_loading_a_model_leaves_avx512_out(make_checkpoint):
    cpu = Path("/proc/cpuinfo")
    if not cpu.exists() or "avx512bw" not in cpu.read_text(encoding="utf-8"):
        pytest.skip("this processor has no AVX-512 to leave out")
    assert capability(make_checkpoint(0)) == "AVX2"


def test_a_variable_that_is_set_stays(make_checkpoint):
    assert capability(make_checkpoint(0), ATEN_CPU_CAPABILITY="default") == "DEFAULT"
