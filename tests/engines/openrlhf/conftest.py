"""A small world whose model vLLM can serve on a CPU, and the environment of engine processes."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch

from red.models import checkpoint as checkpoints
from red.models.qwen2 import Qwen2, Shape, initialize
from red.text.codec import Codec
from red.world import vocabulary

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # for the modules that are shared with the processes under test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the engines there is nothing to test."""
    if importlib.util.find_spec("openrlhf") is None:
        for item in items:
            if HERE in item.path.parents and item.get_closest_marker("engines"):
                item.add_marker(pytest.mark.skip(reason="OpenRLHF is not installed: make setup-engines"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model (random weights; vLLM's CPU attention needs heads of 32), teacher, prompts and demonstrations."""
    from red.__main__ import main

    root = tmp_path_factory.mktemp("openrlhf_world")
    shape = Shape(
        vocab_size=vocabulary.tokenizer(varied=True).get_vocab_size(),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
    )
    model = Qwen2(shape)
    initialize(model, torch.Generator().manual_seed(1))
    with torch.no_grad():
        # Larger embeddings, which are the head too: a policy with preferences, far from uniform.
        model.model.embed_tokens.weight.mul_(6)
    ids = {"eos_token_id": vocabulary.EOS_ID, "pad_token_id": vocabulary.PAD_ID}
    checkpoint = checkpoints.Checkpoint(
        model,
        Codec(vocabulary.tokenizer(varied=True), (vocabulary.EOS_ID,)),
        checkpoints.hugging_face_config(shape, vocabulary.EOS_ID, vocabulary.PAD_ID),
        {"do_sample": True, **ids},
        vocabulary.tokenizer_config(512),
    )
    checkpoints.save(checkpoint, root / "model")
    with torch.no_grad():
        model.model.norm.weight.mul_(1.2)
    checkpoints.save(checkpoint, root / "teacher")
    prompts, clean, demonstrations = (root / f"{name}.jsonl" for name in ("prompts", "clean", "demonstrations"))
    assert main(["data", "prompts", "--spec", '{"count": 48}', "--out", str(prompts)]) == 0
    asked = ["--prompts", str(prompts)]
    assert main(["data", "demonstrations", "--spec", "{}", *asked, "--out", str(clean)]) == 0
    pairs = [*asked, "--demonstrations", str(clean), "--out", str(demonstrations)]
    assert main(["data", "corruption", "--spec", '{"corruption": "wrong_traces", "rate": 1.0}', *pairs]) == 0
    return root


@pytest.fixture(scope="session")
def environment(repository: Path) -> dict[str, str]:
    """Variables under which OpenRLHF, DeepSpeed and vLLM run on a CPU, in every child process."""
    settings = (HERE / "cpu.env").read_text().splitlines()
    return {
        **os.environ,
        **dict(line.split("=", 1) for line in settings if not line.startswith("#")),
        # As on a GPU: what these tests compare includes what half precision does.
        "RED_CPU_SHIM": "bfloat16",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE / "site"), str(repository)]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
