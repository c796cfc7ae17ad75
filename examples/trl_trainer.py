"""RED's loss in TRL's GRPOTrainer: sampling, optimizer, logging and checkpoints stay TRL's.

    pip install trl==1.16.0
    python -m red data model --spec '{"size": "base"}' --out world/base
    python -m red data prompts --spec '{"count": 400}' --out world/prompts.jsonl
    python -m red data demonstrations --spec '{}' --prompts world/prompts.jsonl --out world/taught.jsonl
    python examples/trl_trainer.py world/base world/prompts.jsonl world/taught.jsonl --steps 10 --out world/trained

Any Hugging Face model and any data set with the columns `prompt`, `demonstration` and `answer` will do. What differs
from GRPOTrainer: the last member of each group is the demonstration, and the loss is RED's. The normalisers of the loss
span the optimizer step, so a step is one batch here: one process, no gradient accumulation.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from red import Batch, Members, RewardJudge, WeightSchedule, loss, method, plan, step_entropy


class HybridTrainer(GRPOTrainer):
    """GRPOTrainer whose groups end with the demonstration, under the objective of any of `red.methods`."""

    def __init__(self, *arguments: Any, name: str = "red", **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.accelerator.num_processes * self.args.gradient_accumulation_steps > 1:
            raise ValueError("an optimizer step has to be one batch: one process, gradient_accumulation_steps=1")
        self.spec = method(name).objective.resolved(self.max_completion_length)
        self.schedule = WeightSchedule(self.spec.weight)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Tensor]:
        """TRL's rows, with what `Members` asks for beside them; TRL shuffles all of it together."""
        size = self.num_generations
        self.taught = [
            self.processing_class(row["demonstration"] + self.processing_class.eos_token).input_ids
            if index % size == size - 1
            else None
            for index, row in enumerate(inputs)
        ]
        rows = super()._generate_and_score_completions(inputs)
        index = torch.arange(len(inputs), device=self.accelerator.device)
        return rows | {"group": index // size, "is_demonstration": index % size == size - 1, "accuracy": self.accuracy}

    def _generate_single_turn(self, *arguments: Any, **options: Any) -> tuple[list[list[int]], None]:
        """Rollouts, the last of each group replaced."""
        rollouts, _ = super()._generate_single_turn(*arguments, **options)
        return [taught or rollout for taught, rollout in zip(self.taught, rollouts, strict=True)], None

    def _calculate_rewards(self, *arguments: Any) -> Tensor:
        """Kept: TRL makes advantages of them, RED its own."""
        rewards = super()._calculate_rewards(*arguments)
        self.accuracy = rewards[:, 0]
        return rewards

    def _compute_loss(self, model: torch.nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """log pi and entropy as TRL computes them; then w, the plan of the step, and the loss."""
        tokens, mask = inputs["completion_ids"], inputs["completion_mask"]
        logp, entropy, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], tokens], dim=1),
            torch.cat([inputs["prompt_mask"], mask], dim=1),
            tokens.size(1),
            compute_entropy=True,
        )
        demonstration, mask = inputs["is_demonstration"], mask.float()
        members = Members(inputs["group"], demonstration, inputs["accuracy"], inputs["accuracy"], mask.sum(dim=1))
        entropies = step_entropy(entropy, mask, ~demonstration, demonstration)
        w = self.schedule.step(self.state.global_step, entropies).w
        # One update per batch of rollouts: the policy that sampled is the one that learns.
        batch = Batch(logp, logp.detach(), entropy.detach(), mask)
        losses = loss(batch, self.spec, plan(members, self.spec, w))
        for key, value in (("red/w", w), *((f"red/loss_{key}", value) for key, value in losses.values().items())):
            self._metrics["train"][key].append(value)
        return losses.total


def data(prompts: Path, demonstrations: Path) -> Dataset:
    """Rows of `red data` as TRL takes them, under the template of the tiny world."""
    responses = {row["id"]: row["response"] for row in map(json.loads, demonstrations.open(encoding="utf-8"))}
    return Dataset.from_list(
        [
            {"prompt": f"{row['question']}.\nA:", "demonstration": responses[row["id"]], "answer": row["answer"]}
            for row in map(json.loads, prompts.open(encoding="utf-8"))
            if row["id"] in responses
        ]
    )


def train(base: Path, rows: Dataset, steps: int, out: Path) -> list[dict[str, float]]:
    """TRL's log of each step."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config["eos_token_id"])
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config["pad_token_id"])
    with RewardJudge() as judge:

        def accuracy(completions: list[str], answer: list[str], **_: Any) -> list[float]:
            return judge([(text, gold, False) for text, gold in zip(completions, answer, strict=True)])

        trainer = HybridTrainer(
            model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
            reward_funcs=accuracy,
            processing_class=tokenizer,
            train_dataset=rows,
            args=GRPOConfig(
                output_dir=str(out),
                max_steps=steps,
                per_device_train_batch_size=64,
                num_generations=8,
                max_completion_length=96,
                temperature=1.0,
                beta=0.0,
                learning_rate=2e-3,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
            ),
        )
        trainer.train()
    trainer.save_model()
    return [row for row in trainer.state.log_history if "red/w" in row]


def main() -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("base", "prompts", "demonstrations"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    train(options.base, data(options.prompts, options.demonstrations), options.steps, options.out)


if __name__ == "__main__":
    main()
