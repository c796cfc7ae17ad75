"""A toy world for whole trainings: eight problems, a base with given weights, rollouts from a script.

The rollouts depend on the prompt and on the seed that the loop hands out, never on the weights: otherwise a rounding
error that differs between processors could change a token, and with it everything after. All else is the product's.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models

from red.engines import train
from red.engines.local.policy import LocalPolicy
from red.models.checkpoint import Checkpoint, hugging_face_config, save
from red.models.qwen2 import Qwen2, Shape
from red.sampling.response import Response
from red.text.codec import Codec
from red.training.files import RunFiles, Trained
from red.training.spec import RunSpec, Training

STEPS = 5
LIMIT = 28
EOS = 1
WORDS = ["<pad>", "<eos>", "Compute ", "+", "-", "=", ".\nA:", "First, ", "Then ", "So ", ". ", "\\boxed{", "}"]
WORDS += [str(number) for number in range(20)]
# Expression, answer, the demonstration's answer (one is wrong), and the chance of a right rollout.
PROBLEMS = [
    ("3+4", 7, 7, 0.5),
    ("9-4", 5, 5, 0.0),
    ("2+8", 10, 10, 0.6),
    ("7-6", 1, 1, 1.0),
    ("5+6", 11, 12, 0.4),
    ("8-2", 6, 6, 0.0),
    ("4+9", 13, 13, 0.7),
    ("6+6", 12, 12, 0.3),
]


def demonstration(index: int) -> str:
    """Sums are made in single steps, so that demonstrations differ in length and in sentences."""
    expression, _, told, _ = PROBLEMS[index]
    first, sign, second = int(expression[0]), expression[1], int(expression[2])
    lines = [f"First, {expression[0]}{sign}1={first + (1 if sign == '+' else -1)}. "]
    for done in range(2, min(second, 4 if index == 2 else 3) + 1):
        lines.append(f"Then {first}{sign}{done}={first + (done if sign == '+' else -done)}. ")
    return "".join(lines) + f"So \\boxed{{{told}}}"


def wrong_trace(index: int) -> str | None:
    """Every third problem has none."""
    expression, answer, *_ = PROBLEMS[index]
    told = (answer + 3) % 20
    return f"First, {expression}={told}. So \\boxed{{{told}}}" if index % 3 else None


def tokenizer() -> Tokenizer:
    """Cuts at the longest word."""
    found = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}))
    found.add_tokens([AddedToken(word, normalized=False) for word in WORDS[2:]])
    found.add_special_tokens([AddedToken(word, normalized=False) for word in WORDS[:2]])
    found.decoder = decoders.Fuse()
    return found


def base(name: str = "base") -> Checkpoint:
    """4,000 weights from Python's own generator; the entropies are far from those of a uniform choice."""
    shape = Shape(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=128,
    )
    draw = random.Random(f"toy {name}")
    model = Qwen2(shape)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre, spread = (1.0, 0.1) if "norm" in name else (0.0, 0.35 if "embed" in name else 0.2)
            values = [draw.gauss(centre, spread) for _ in range(parameter.numel())]
            parameter.copy_(torch.tensor(values).view_as(parameter))
    return Checkpoint(model, Codec(tokenizer(), (EOS,)), hugging_face_config(shape, EOS, 0), {}, {})


def revealed(index: int, episodes: int) -> str:
    """The sentences that stand in the first `episodes` tenths of the demonstration's thought."""
    sentences = demonstration(index).split(". ")[:-1]
    return "".join(f"{sentence}. " for sentence in sentences[: len(sentences) * episodes // 10])


@dataclass
class Script:
    """Rollouts of a prompt, with or without revealed sentences; `calls` keeps what was sampled."""

    calls: list[tuple[int, list[tuple[tuple[int, ...], list[list[int]]]]]] = field(default_factory=list)

    def __call__(
        self, prompts: Sequence[tuple[int, ...]], samples: int, budgets: Sequence[int], seed: int
    ) -> list[list[Response]]:
        words = tokenizer()
        found = []
        for number, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True)):
            text = words.decode(list(prompt))
            index = next(i for i, (sum_, *_) in enumerate(PROBLEMS) if text.startswith(f"Compute {sum_}."))
            draw = random.Random(f"{seed}/{number}/{index}")
            group = [self._response(draw, index, text.count(". "), words) for _ in range(samples)]
            found.append([Response(row[:budget], "length" if len(row) > budget else "stop") for row in group])
        pairs = zip(prompts, found, strict=True)
        self.calls.append((seed, [(prompt, [s.tokens for s in group]) for prompt, group in pairs]))
        return found

    def _response(self, draw: random.Random, index: int, revealed: int, words: Tokenizer) -> list[int]:
        expression, answer, _, chance = PROBLEMS[index]
        right = draw.random() < min(1.0, chance + (0.25 * revealed if chance == 0 else 0))
        value = answer if right else (answer + draw.randint(1, 5)) % 20
        begin = draw.choice(["", "So ", f"First, {expression}={value}. ", f"First, {value}. " + f"Then {value}. " * 3])
        end = draw.choice(["", "", ". " + "Then " * draw.choice([3, 20])])
        boxed = f"\\boxed{{{value}}}" if right or draw.random() < 0.7 else str(value)
        return [*words.encode(begin + boxed + end, add_special_tokens=False).ids, EOS]


@dataclass(frozen=True)
class ToyTraining:
    """What a toy training left behind: one row of metrics and the weights for each step, the base's first."""

    result: Trained
    rows: list[dict[str, float]]
    weights: list[dict[str, torch.Tensor]]
    script: Script


def write_world(root: Path) -> None:
    """base, teacher, prompts.jsonl, demonstrations.jsonl."""
    for name in ("base", "teacher"):
        save(base(name), root / name)
    problems = [{"id": f"p{i}", "question": f"Compute {e}", "answer": str(a)} for i, (e, a, *_) in enumerate(PROBLEMS)]
    taught = [{"id": f"p{i}", "response": demonstration(i), "wrong": wrong_trace(i)} for i in range(len(PROBLEMS))]
    for name, rows in (("prompts", problems), ("demonstrations", taught)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run_spec(method: str, overrides: dict[str, Any], **training: Any) -> RunSpec:
    """Settings that are nobody's default, so that one which does not arrive is missed."""
    settings: dict[str, Any] = {
        "engine": "local",
        "steps": STEPS,
        "prompts_per_step": 4,
        "group_size": 4,
        "max_new_tokens": LIMIT,
        "lr": 1e-2,
        "lr_schedule": "cosine",
        "lr_floor": 0.2,
        "warmup": 0.4,
        "temperature": 0.7,
        "betas": (0.8, 0.9),
        "weight_decay": 0.05,
        "grad_clip": 1.5,
        "tokens_per_forward": 250,
    }
    return RunSpec(
        run="toy",
        seed=11,
        scale="tiny",
        method=method,
        template="plain",
        training=Training(**(settings | training)),
        snapshots=tuple(range(1, STEPS + 1)),
        overrides=overrides,
    )


def trained(root: Path, out: Path, spec: RunSpec, weights: Path | None = None) -> ToyTraining:
    """Train in the world at `root`; the product does everything but draw the tokens."""
    from safetensors.torch import load_file

    script, rows = Script(), []
    inputs = (root / name for name in ("base", "prompts.jsonl", "demonstrations.jsonl"))
    files = RunFiles(*inputs, out, weights, root / "teacher")
    with patch.object(LocalPolicy, "generate", property(lambda policy: script)):
        result = train(spec, files, lambda step, metrics: rows.append(dict(metrics)))
    folders = [root / "base"] + [out / "snapshots" / f"step{step}" for step in spec.snapshots]
    return ToyTraining(result, rows, [load_file(folder / "model.safetensors") for folder in folders], script)
