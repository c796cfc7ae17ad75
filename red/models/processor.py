"""Which instructions a CPU computes with: they decide how sums are rounded, and a training's numbers follow."""

import os

# Servers and laptops have had these for ten years. torch, oneDNN and MKL read the variables at their first operation.
INSTRUCTIONS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}


def use_common_instructions() -> None:
    """No AVX-512 in this process, so that a seed gives the same bits with it and without; what is set stays.

    Without effect after torch's first operation.
    """
    for name, value in INSTRUCTIONS.items():
        os.environ.setdefault(name, value)
