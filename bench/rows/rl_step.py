"""A whole reinforcement step on the tiny world: rollouts, grades, update."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from bench import world as tiny
from bench.row import Bar, Case, Done, Row, Run, Setting, Side

STEPS = 5

ROW = Row(
    title="A GRPO step of the tiny world's base model: rollouts, grades, one update; one core",
    work="steps",
    sides=(
        Side("ours", "main", "the local engine, with the project's grader and all metrics"),
        Side("trl", about="GRPOTrainer, rewards by comparing strings, no logging, no checkpointing"),
    ),
    cases=(
        Case("8 prompts x 8, up to 128 tokens", {"prompts": 8}),
        Case("16 prompts x 8, up to 128 tokens", {"prompts": 16}),
    ),
    bars=(Bar("trl", "time", 4.0),),
    notes="Same model, prompts, group size and limits; both sample until the end token, so lengths agree in the "
    "mean (shown). The learning rate is 1e-7, so that the policy stays the same over the turns.",
)


def prepare(setting: Setting) -> Run:
    """A run is some steps, without the start of the training."""
    torch.set_num_threads(1)
    return {"ours": _ours, "trl": _trl}[setting.side](setting.world, setting.size["prompts"])


def _ours(world: Path, prompts: int) -> Run:
    loop = tiny.loop(world, Path(tempfile.mkdtemp()), "grpo", prompts_per_step=prompts)

    def run() -> Done:
        metrics = [loop.train_step(loop.step) for _ in range(STEPS)]
        tokens = sum(m["tokens/generated"] for m in metrics)
        rollout = sum(m["time/rollout_s"] for m in metrics) / sum(m["time/step_s"] for m in metrics)
        return Done(STEPS, facts={"mean length": tokens / STEPS / prompts / 8, "share of rollouts": rollout})

    return run


def _trl(world: Path, prompts: int) -> Run:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = tiny.trl_model(world)
    lengths: list[int] = []

    def reward(completions: list[str], answer: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths.extend(map(len, completion_ids))
        ends = [text.replace(" ", "").rpartition("\\boxed{")[2].partition("}")[0] for text in completions]
        return [float(end == gold) for end, gold in zip(ends, answer, strict=True)]

    clock = tiny.clock()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        processing_class=tokenizer,
        callbacks=[clock],
        train_dataset=Dataset.from_list(tiny.pairs(world)).remove_columns("completion"),
        args=GRPOConfig(
            **tiny.trl_arguments(Path(tempfile.mkdtemp()), STEPS + 1),
            per_device_train_batch_size=prompts * 8,
            num_generations=8,
            max_completion_length=128,
            temperature=1.0,
            beta=0.0,
            loss_type="grpo",
        ),
    )

    def run() -> Done:
        clock.steps.clear()
        lengths.clear()
        trainer.train()
        (start, start_cpu), (end, end_cpu) = clock.steps[0], clock.steps[-1]
        return Done(
            STEPS,
            seconds=end - start,
            cpu_seconds=end_cpu - start_cpu,
            facts={"mean length": sum(lengths) / len(lengths)},
        )

    return run
