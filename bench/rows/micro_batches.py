"""The row `micro_batches_gpu` on a processor, with a small body before the same vocabulary."""

from bench.row import Bar, Case, Row, Side
from bench.rows import vocabulary
from bench.rows.micro_batches_gpu import prepare

__all__ = ["ROW", "prepare"]

SHAPE = {
    "vocab_size": vocabulary.WORDS,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}

ROW = Row(
    title="Update of a small body before 151,936 words: 7 rollouts and 1 demonstration, float32, one core",
    work="response tokens",
    sides=(
        Side("ours", "main", "as the OpenRLHF engine makes it: sorted, at most 1,024 tokens at once, no logits kept"),
        Side("single", "main", "one sequence at a time, blocks of the vocabulary for responses"),
        Side("wide", "main", "as OpenRLHF makes it: one sequence at a time, logits of prompts and responses"),
    ),
    cases=(
        Case(
            "mean 120 tokens, prompts of 40",
            {
                "rollouts": 7,
                "mean": 120,
                "demonstrations": 1,
                "long": 250,
                "most": 540,
                "prompt": 40,
                "tokens": 1024,
                "device": "cpu",
                "shape": SHAPE,
            },
            2,
        ),
    ),
    bars=(Bar("wide", "time", 1.0), Bar("wide", "memory", 2)),
    notes="With the engine's own micro-batches (`red.engines.openrlhf.batches`). Computed tokens have the prompts in "
    "them and, in a padded batch, its padding; a GPU with flash attention packs and computes none. Most of the time at "
    "this size is the vocabulary's, and in every side's memory is the gradient of the embedding, 150 MiB, twice: as "
    "input and as output.",
)
