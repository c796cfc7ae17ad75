"""Rollouts from vLLM in exact token ids, and the micro-batches that OpenRLHF's actors take."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
from openrlhf.trainer.ppo_utils.experience import Experience
from torch import Tensor
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from red.engines.rollouts import LocalSampler
from red.methods.base import Sequence
from red.models.sampler import Sample
from red.seeds import derive

# Of each call, so many prompts also return vLLM's log-probabilities, for `rollout/kl`.
COMPARED_PROMPTS = 8
FILLER = -1


@dataclass
class VllmSampler(LocalSampler):
    """Satisfies `red.methods.base.Sampler`: graded rollouts of the weights that the engines hold."""

    engines: Seq[Any] = ()
    seed: int = 0
    sampled_logp: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = field(default_factory=dict)
    calls: int = 0

    def _generate(self, prompts: Seq[tuple[int, ...]], samples: int, budgets: Seq[int]) -> list[list[Sample]]:
        """One request per prompt; its seed depends on the call and the prompt's place in it."""
        refs = [
            self.engines[index % len(self.engines)].generate.remote(
                list(prompt), self._parameters(index, samples, budget))
            for index, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True))
        ]
        self.calls += 1
        return [
            [self._sample(prompt, output) for output in answer.outputs]
            for prompt, answer in zip(prompts, ray.get(refs), strict=True)
        ]

    def _parameters(self, index: int, samples: int, budget: int) -> SamplingParams:
        return SamplingParams(
            n=samples, temperature=self.temperature, top_p=1.0, top_k=-1, max_tokens=budget,
            stop_token_ids=[self.eos_id], seed=derive(self.seed, self.calls, index), detokenize=False,
            # Without this, an answer holds only the response that finished last.
            output_kind=RequestOutputKind.FINAL_ONLY,
            logprobs=0 if index < COMPARED_PROMPTS and self.temperature == 1.0 else None,
        )

    def _sample(self, prompt: tuple[int, ...], output: Any) -> Sample:
        tokens = list(output.token_ids)
        if output.logprobs is not None:
            values = [place[token].logprob for place, token in zip(output.logprobs, tokens, strict=True)]
            self.sampled_logp[prompt, tuple(tokens)] = values
        return Sample(tokens, "length" if output.finish_reason == "length" else "stop")


def rollout_kl(sampler: VllmSampler, sequences: Seq[Sequence], logp_st: Tensor, mask_st: Tensor) -> dict[str, float]:
    """Mean of log q - log pi over sampled tokens: q is vLLM's policy, pi the one to be trained, nats.

    It is near 0 while vLLM samples from the current weights.
    """
    differences = []
    for sequence, logp, mask in zip(sequences, logp_st, mask_st.bool(), strict=True):
        values = sampler.sampled_logp.get((sequence.prompt, sequence.response))
        if values is not None and not sequence.offline:
            differences.append(torch.tensor(values) - logp[mask].cpu())
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


def experience(batch: dict[str, Tensor], indices: Seq[int], old_logp: Tensor) -> Experience:
    """One micro-batch for the actors' buffers; `row` leads back to the plan. A filler points to row 0."""
    rows = torch.tensor([max(index, 0) for index in indices])
    return Experience(**batch, action_log_probs=old_logp, info={"row": rows})


def left_aligned(rows: dict[int, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """(S, T) values and mask from one vector of response values per row."""
    width = max(len(rows[i]) for i in range(count))
    value = torch.zeros(count, width)
    mask = torch.zeros(count, width)
    for index in range(count):
        value[index, : len(rows[index])] = rows[index]
        mask[index, : len(rows[index])] = 1
    return value, mask


def _padded(rows: Seq[Seq[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
