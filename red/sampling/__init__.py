"""What turns prompts into responses. A backend is a module here; only the chosen one is imported."""

import importlib

from red.sampling.base import Backend


def open_backend(name: str) -> Backend:
    """The backend `local` (in this process, any machine) or `vllm` (one engine, many checkpoints)."""
    return importlib.import_module(f"red.sampling.{name}").open_backend()
