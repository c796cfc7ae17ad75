"""Supervised fine-tuning on the tiny world's demonstrations."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from bench import world as tiny
from bench.row import Bar, Case, Done, Row, Run, Setting, Side

STEPS = 20

ROW = Row(
    title="Supervised fine-tuning of the tiny world's base model; one core",
    work="response tokens",
    sides=(
        Side("ours", "main", "the local engine with method sft and all metrics"),
        Side("trl", about="SFTTrainer, loss on the completion, no logging, no checkpointing"),
    ),
    cases=(Case("32 demonstrations a step", {"batch": 32}), Case("128 demonstrations a step", {"batch": 128})),
    bars=(Bar("trl", "time", 1.5),),
    notes="Same demonstrations and batch sizes, each in its own order. TRL's padding_free and packing need "
    "flash attention, which a CPU has not. Prompts are not shared here: the gain is products, padding and "
    "overhead.",
)


def prepare(setting: Setting) -> Run:
    """A run is some steps, without the start of the training."""
    torch.set_num_threads(1)
    return {"ours": _ours, "trl": _trl}[setting.side](setting.world, setting.size["batch"])


def _ours(world: Path, batch: int) -> Run:
    loop = tiny.loop(world, Path(tempfile.mkdtemp()), "sft", prompts_per_step=batch)

    def run() -> Done:
        return Done(sum(loop.train_step(loop.step)["tokens/trained"] for _ in range(STEPS)))

    return run


def _trl(world: Path, batch: int) -> Run:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = tiny.trl_model(world)
    clock = tiny.clock()
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        callbacks=[clock],
        train_dataset=Dataset.from_list(tiny.pairs(world)).remove_columns("answer"),
        args=SFTConfig(
            **tiny.trl_arguments(Path(tempfile.mkdtemp()), STEPS + 1),
            max_length=256,
            per_device_train_batch_size=batch,
            completion_only_loss=True,
        ),
    )
    counted: list[int] = []
    collate = trainer.data_collator

    def counting(examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = collate(examples)
        counted.append(int((batch["labels"] != -100).sum()))
        return batch

    trainer.data_collator = counting

    def run() -> Done:
        clock.steps.clear()
        counted.clear()
        trainer.train()
        (start, start_cpu), (end, end_cpu) = clock.steps[0], clock.steps[-1]
        return Done(sum(counted[1 : STEPS + 1]), seconds=end - start, cpu_seconds=end_cpu - start_cpu)

    return run
