"""Random models that start in no time: one over the tiny world's words, one over bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from red.data.world import vocabulary
from red.models.checkpoint import Checkpoint, hugging_face_config, save
from red.models.qwen2 import Qwen2, Shape, initialize

HEAD_SIZE = 32  # the smallest that vLLM computes on a CPU


def byte_tokenizer() -> Tokenizer:
    """One token per byte, so that any text can be encoded; 0 pads, 1 ends."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate(("<pad>", "<eos>", *letters))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ("<pad>", "<eos>")])
    return tokenizer


def write_checkpoint(path: Path, seed: int, *, tied: bool, tokenizer: Tokenizer, window: int) -> Path:
    """A model with large random weights: its greedy responses are long and different for each seed."""
    shape = Shape(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=2 * HEAD_SIZE,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=HEAD_SIZE,
        max_position_embeddings=window,
        tie_word_embeddings=tied,
    )
    model = Qwen2(shape)
    initialize(model, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter *= 6
    checkpoint = Checkpoint(
        model=model,
        tokenizer=tokenizer,
        eos_id=1,
        config=hugging_face_config(shape, eos_id=1, pad_id=0),
        generation_config={"eos_token_id": 1},
        tokenizer_config=vocabulary.tokenizer_config(window),
    )
    save(checkpoint, path)
    return path


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """`make_checkpoint(seed, tied=True)`: a folder with a model over the tiny world's words."""

    def make(seed: int, tied: bool = True) -> Path:
        path = tmp_path / f"model{seed}{'' if tied else 'untied'}"
        return write_checkpoint(path, seed, tied=tied, tokenizer=vocabulary.tokenizer(), window=256)

    return make


@pytest.fixture
def byte_checkpoint(tmp_path: Path) -> Path:
    """A folder with a model over bytes, which can read any benchmark."""
    return write_checkpoint(tmp_path / "bytes", 0, tied=True, tokenizer=byte_tokenizer(), window=16384)
