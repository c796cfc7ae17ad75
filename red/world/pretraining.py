"""Pretraining of the tiny world's models: the base, and a larger one close to the teacher."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from red.models.checkpoint import Checkpoint, hugging_face_config
from red.models.processor import use_common_instructions
from red.models.qwen2 import Qwen2, Shape, initialize
from red.seeds import derive
from red.text.codec import Codec
from red.text.template import render
from red.world import mixture, vocabulary
from red.world.mixture import Text
from red.world.muon import Muon
from red.world.spec import EmbeddedModel, World

TEMPLATE = "plain"
MAX_LENGTH = 512
POOL = 16  # batches that are sorted by length together


@dataclass(frozen=True)
class Recipe:
    """Size and schedule of one embedded model; `teacher_share` of its texts are the teacher's.

    `matrix_lr` is Muon's rate for the matrices of the layers; None trains them by AdamW like all else.
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    steps: int
    batch: int = 96
    lr: float = 4e-3
    matrix_lr: float | None = 2e-2
    warmup: int = 50
    weight_decay: float = 0.05
    teacher_share: float = 0.0


RECIPES = {
    "base": Recipe(hidden_size=64, intermediate_size=160, layers=3, steps=1000),
    "large": Recipe(96, 256, layers=3, steps=500, batch=48, teacher_share=0.6),
}
ADAMW_STEPS = {"base": 2800, "large": 1250}


def recipe(spec: EmbeddedModel) -> Recipe:
    """Recipe of the size."""
    preset = RECIPES[spec.size]
    if spec.optimizer == "adamw":
        preset = replace(preset, matrix_lr=None, steps=ADAMW_STEPS[spec.size])
    return preset if spec.steps is None else replace(preset, steps=spec.steps)


def pretrain(recipe: Recipe, seed: int, world: World, log_every: int = 200) -> tuple[Checkpoint, dict[str, object]]:
    """Train from scratch on generated text; returns the checkpoint and a summary.

    The loss is the mean surprisal of response tokens (in nats). Progress goes to stderr.
    """
    use_common_instructions()
    generator = torch.Generator().manual_seed(derive(seed, "pretraining", "weights"))
    tokenizer = vocabulary.tokenizer(world.wording == "varied")
    model = Qwen2(_shape(recipe, tokenizer.get_vocab_size()))
    initialize(model, generator)
    optimizers = _optimizers(model, recipe)
    batches = _batches(recipe, world, tokenizer, Random(derive(seed, "pretraining", "texts")))
    started, tokens, smooth = time.process_time(), 0, None
    for step in range(recipe.steps):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(group["peak"], recipe, step)
        ids, mask = next(batches)
        loss = _loss(model, ids, mask)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        tokens += ids.numel()
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if (step + 1) % log_every == 0 or step + 1 == recipe.steps:
            seconds = time.process_time() - started
            print(f"pretraining {step + 1}/{recipe.steps} loss {smooth:.4f} {seconds:.0f} s", file=sys.stderr)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    summary = {
        "recipe": asdict(recipe),
        "world": asdict(world),
        "seed": seed,
        "parameters": parameters,
        "tokens": tokens,
        "loss": smooth,
        "cpu_seconds": round(time.process_time() - started, 1),
    }
    return _checkpoint(model, tokenizer), summary


def _shape(recipe: Recipe, words: int) -> Shape:
    heads = 4
    return Shape(
        vocab_size=words,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=recipe.hidden_size // heads,
        max_position_embeddings=MAX_LENGTH,
    )


def _checkpoint(model: Qwen2, tokenizer: Tokenizer) -> Checkpoint:
    return Checkpoint(
        model=model,
        codec=Codec(tokenizer, (vocabulary.EOS_ID,)),
        config=hugging_face_config(model.shape, vocabulary.EOS_ID, vocabulary.PAD_ID),
        generation_config={"do_sample": True, "eos_token_id": vocabulary.EOS_ID, "pad_token_id": vocabulary.PAD_ID},
        tokenizer_config=vocabulary.tokenizer_config(MAX_LENGTH),
    )


def _optimizers(model: Qwen2, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Each group carries `peak`, the highest rate of its schedule."""
    matrices = [p for p in model.model.layers.parameters() if p.dim() == 2] if recipe.matrix_lr else []
    inner = set(map(id, matrices))
    others = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    groups = [
        {"params": [p for p in others if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in others if p.dim() < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99), fused=True)
    optimizers: list[torch.optim.Optimizer] = [adamw]
    if recipe.matrix_lr:
        optimizers.append(Muon(matrices, recipe.matrix_lr, weight_decay=recipe.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _learning_rate(peak: float, recipe: Recipe, step: int) -> float:
    """Linear warm-up, constant for the first half, then linear to 3 %."""
    progress = step / recipe.steps
    decay = 1.0 if progress < 0.5 else max(0.03, 2 - 2 * progress)
    return peak * min(1.0, (step + 1) / recipe.warmup) * decay


def _loss(model: Qwen2, ids: Tensor, mask: Tensor) -> Tensor:
    logits = model(ids[:, :-1])
    surprisal = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (surprisal * mask.flatten()).sum() / mask.sum()


def _batches(recipe: Recipe, world: World, tokenizer: Tokenizer, random: Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (ids [B, T], mask [B, T-1] of response tokens); texts of similar length go together."""
    while True:
        texts = [_text(recipe, world, random) for _ in range(recipe.batch * POOL)]
        pairs = _encode(texts, tokenizer)
        pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        starts = list(range(0, len(pairs), recipe.batch))
        random.shuffle(starts)
        for start in starts:
            yield _pad(pairs[start : start + recipe.batch])


def _text(recipe: Recipe, world: World, random: Random) -> Text:
    make: Callable[[Random, World], Text] = mixture.pretraining_text
    if random.random() < recipe.teacher_share:
        make = mixture.teacher_text
    return make(random, world)


def _encode(texts: list[Text], tokenizer: Tokenizer) -> list[tuple[list[int], list[int]]]:
    encode = tokenizer.encode_batch
    prompts = encode([render(text.question, text.options, TEMPLATE) + text.given for text in texts])
    responses = encode([text.response for text in texts])
    return [(p.ids, [*r.ids, vocabulary.EOS_ID]) for p, r in zip(prompts, responses, strict=True)]


def _pad(pairs: list[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    length = max(len(prompt) + len(response) for prompt, response in pairs)
    ids = torch.full((len(pairs), length), vocabulary.PAD_ID)
    mask = torch.zeros(len(pairs), length - 1)
    for row, (prompt, response) in enumerate(pairs):
        end = len(prompt) + len(response)
        ids[row, :end] = torch.tensor(prompt + response)
        mask[row, len(prompt) - 1 : end - 1] = 1
    return ids, mask
