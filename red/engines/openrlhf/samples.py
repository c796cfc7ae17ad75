"""Rollouts from vLLM in exact token ids, and the micro-batches that OpenRLHF's actors take."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ray.vllm_engine import batch_vllm_engine_call
from torch import Tensor
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from red.engines.step import Pass
from red.methods.base import Sequence
from red.models.sampler import Sample
from red.seeds import derive

# Of each call, so many prompts also return vLLM's log-probabilities, for `rollout/kl`.
COMPARED_PROMPTS = 8
FILLER = -1


@dataclass
class VllmGenerate:
    """Satisfies `red.engines.rollouts.Generate`: samples from the weights that the engines hold."""

    engines: Seq[Any]
    eos_id: int
    temperature: float
    sleeps: bool
    logp: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = field(default_factory=dict)

    def __call__(
        self, prompts: Seq[tuple[int, ...]], samples: int, budgets: Seq[int], seed: int
    ) -> list[list[Sample]]:
        """One request per prompt; its seed depends on the prompt's place in the call."""
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "wake_up")
        answers = ray.get([
            self.engines[index % len(self.engines)].generate.remote(
                list(prompt), self._parameters(index, samples, budget, seed))
            for index, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True))
        ])
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "sleep")
        return [
            [self._sample(prompt, output) for output in answer.outputs]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _parameters(self, index: int, samples: int, budget: int, seed: int) -> SamplingParams:
        compared = index < COMPARED_PROMPTS and self.temperature == 1.0
        return SamplingParams(
            n=samples, temperature=self.temperature, max_tokens=budget, seed=derive(seed, index),
            stop_token_ids=[self.eos_id], detokenize=False, logprobs=0 if compared else None,
            # Otherwise an answer holds only the response that finished last.
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _sample(self, prompt: tuple[int, ...], output: Any) -> Sample:
        tokens = list(output.token_ids)
        if output.logprobs is not None:
            values = [place[token].logprob for place, token in zip(output.logprobs, tokens, strict=True)]
            self.logp[prompt, tuple(tokens)] = values
        return Sample(tokens, "length" if output.finish_reason == "length" else "stop")

    def kl(self, sequences: Seq[Sequence], now: Pass) -> dict[str, float]:
        """`rollout/kl`: mean of log q - log pi over sampled tokens, nats, where q is vLLM's policy.

        pi is the policy before the update. Near 0 while vLLM samples from the current weights.
        """
        differences = []
        for sequence, logp, mask in zip(sequences, now.logp, now.mask.bool(), strict=True):
            values = self.logp.get((sequence.prompt, sequence.response))
            if values is not None and not sequence.offline:
                differences.append(torch.tensor(values) - logp[mask])
        self.logp.clear()
        return {"rollout/kl": torch.cat(differences).mean().item()} if differences else {}


def deal(lengths: Seq[int], ranks: int, micro_batch: int) -> list[list[int]]:
    """Micro-batches of indices, rank after rank, equally many for each; FILLER fills up.

    Sequences of similar length share a micro-batch, and every rank gets the same mix of lengths.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    order += [FILLER] * (-len(order) % (ranks * micro_batch))
    shares = [order[rank::ranks] for rank in range(ranks)]
    return [share[i : i + micro_batch] for share in shares for i in range(0, len(share), micro_batch)]


def tensors(sequences: Seq[Sequence], indices: Seq[int], pad_id: int) -> dict[str, Tensor]:
    """Right-padded `sequences`, `attention_mask` (B, T) and `action_mask` (B, T-1) of one micro-batch.

    Position t of the action mask is token t+1. A filler has no action: no term of the loss sees it.
    """
    rows, actions = [], []
    for index in indices:
        if index == FILLER:
            rows.append([pad_id, pad_id])
            actions.append([0])
        else:
            prompt, response = sequences[index].prompt, sequences[index].response
            rows.append([*prompt, *response])
            actions.append([0] * (len(prompt) - 1) + [1] * len(response))
    attention = [[1] * len(row) for row in rows]
    return {"sequences": _padded(rows, pad_id), "attention_mask": _padded(attention, 0),
            "action_mask": _padded(actions, 0)}


def experience(
    sequences: Seq[Sequence], indices: Seq[int], pad_id: int, old: Pass
) -> Experience:
    """One micro-batch for the actors' buffers; `row` leads back to the plan. A filler points to row 0."""
    batch = tensors(sequences, indices, pad_id)
    old_logp = torch.zeros(batch["action_mask"].shape)
    old_logp[batch["action_mask"].bool()] = torch.cat(
        [old.logp[index][old.mask[index].bool()] for index in indices if index != FILLER] or [torch.zeros(0)])
    rows = torch.tensor([max(index, 0) for index in indices])
    return Experience(**batch, action_log_probs=old_logp, info={"row": rows})


def left_aligned(rows: Seq[Tensor]) -> tuple[Tensor, Tensor]:
    """(S, T) values and mask of one vector of response values per sequence."""
    value = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    ones = [torch.ones_like(row) for row in rows]
    return value, torch.nn.utils.rnn.pad_sequence(ones, batch_first=True)


def _padded(rows: Seq[Seq[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
