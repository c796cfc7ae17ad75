"""The tiny world as the rows use it: texts, a training of ours, and clocks for TRL's trainers."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from red.training.loop import Loop

END = "<eos>"


def rows(world: Path, name: str) -> list[dict[str, Any]]:
    """A JSONL file of the world's data folder."""
    return [json.loads(line) for line in (world / "data" / name).read_text(encoding="utf-8").splitlines()]


def base(world: Path) -> Path:
    """The base model; of the first seed where each has its own, as in a reproduction."""
    shared = world / "models" / "base"
    return shared if shared.exists() else shared.with_name("base_seed0")


def prompt(question: str) -> str:
    """What the model reads (the plain template)."""
    return f"{question}.\nA:"


def pairs(world: Path) -> list[dict[str, str]]:
    """prompt, completion and answer of every training problem."""
    responses = {row["id"]: row["response"] for row in rows(world, "demonstrations/clean.jsonl")}
    return [
        {"prompt": prompt(row["question"]), "completion": responses[row["id"]], "answer": row["answer"]}
        for row in rows(world, "prompts.jsonl")
        if row["id"] in responses
    ]


def loop(world: Path, out: Path, method: str, **training: Any) -> "Loop":
    """Our training loop of a method, ready for `train_step(step)`."""
    from red.engines.local.policy import LocalPolicy
    from red.grading.reward import RewardJudge
    from red.training.files import RunFiles
    from red.training.loop import Loop
    from red.training.spec import RunSpec, Training

    settings = {
        "engine": "local",
        "steps": 10**6,
        "group_size": 8,
        "max_new_tokens": 128,
        "lr": 1e-7,
        "lr_schedule": "constant",
        "max_prompt_tokens": 64,
    }
    run = RunSpec(
        run="bench",
        seed=0,
        scale="tiny",
        method=method,
        template="plain",
        training=Training(**{**settings, **training}),
        snapshots=(),
        overrides={},
    )
    files = RunFiles(
        base(world), world / "data" / "prompts.jsonl", world / "data" / "demonstrations" / "clean.jsonl", out
    )
    files.state.mkdir(parents=True)
    return Loop.start(run, files, LocalPolicy.start(run, files), RewardJudge())


def trl_model(world: Path) -> tuple[Any, Any]:
    """The base model and its tokenizer as transformers' classes, float32."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    folder = base(world)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))  # type: ignore[no-untyped-call]
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config["eos_token_id"])
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config["pad_token_id"])
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer


def trl_arguments(out: Path, steps: int) -> dict[str, Any]:
    """As lean as the trainers allow: no reports, no checkpoints, float32, no recomputation."""
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "learning_rate": 1e-7,
        "lr_scheduler_type": "constant",
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "adam_beta2": 0.95,
    }


def clock() -> Any:
    """A callback of transformers' trainers that notes when each step ended."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """`steps`: (wall, processor) seconds at the end of each step."""

        def __init__(self) -> None:
            self.steps: list[tuple[float, float]] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Note the time."""
            self.steps.append((time.perf_counter(), time.process_time()))

    return Clock()
