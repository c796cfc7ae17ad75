"""A small random model with the tiny world's tokenizer."""

from collections.abc import Callable

import pytest
import torch

from red.data.world import vocabulary
from red.models.checkpoint import Checkpoint, hugging_face_config
from red.models.qwen2 import Qwen2, Shape, initialize


def random_checkpoint(**changes: object) -> Checkpoint:
    """Random weights large enough that the next-token distribution is far from uniform."""
    sizes = {
        "vocab_size": len(vocabulary.VOCABULARY),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        **changes,
    }
    model = Qwen2(Shape(**sizes))
    generator = torch.Generator().manual_seed(0)
    initialize(model, generator)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            elif "embed" in name or "lm_head" in name:
                parameter.normal_(0.0, 0.4, generator=generator)
    return Checkpoint(
        model=model,
        tokenizer=vocabulary.tokenizer(),
        eos_id=vocabulary.EOS_ID,
        config=hugging_face_config(model.shape, vocabulary.EOS_ID, vocabulary.PAD_ID),
        generation_config={"eos_token_id": vocabulary.EOS_ID, "pad_token_id": vocabulary.PAD_ID},
        tokenizer_config=vocabulary.tokenizer_config(256),
    )


@pytest.fixture
def checkpoint() -> Checkpoint:
    """The default shape: tied head, grouped queries."""
    return random_checkpoint()


@pytest.fixture
def build() -> Callable[..., Checkpoint]:
    """Make a checkpoint with other sizes."""
    return random_checkpoint
