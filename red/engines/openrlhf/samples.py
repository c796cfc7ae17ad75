"""Rollouts from vLLM, in exact token ids."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
from openrlhf.trainer.ray.vllm_engine import batch_vllm_engine_call
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from red.methods.base import Sequence
from red.models.passes import Pass
from red.sampling.response import Response
from red.seeds import derive

# Of each call, so many prompts also return vLLM's log-probabilities, for `rollout/kl`.
COMPARED_PROMPTS = 8


@dataclass
class VllmGenerate:
    """Satisfies `red.sampling.base.Generate`: samples from the weights that the engines hold."""

    engines: Seq[Any]
    stop_ids: Seq[int]
    temperature: float
    sleeps: bool
    logp: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = field(default_factory=dict)

    def __call__(
        self, prompts: Seq[tuple[int, ...]], samples: int, budgets: Seq[int], seed: int
    ) -> list[list[Response]]:
        """One request per prompt; its seed depends on the prompt's place in the call."""
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "wake_up")
        answers = ray.get(
            [
                self.engines[index % len(self.engines)].generate.remote(
                    list(prompt), self._parameters(index, samples, budget, seed)
                )
                for index, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True))
            ]
        )
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "sleep")
        return [
            [self._sample(prompt, output) for output in answer.outputs]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _parameters(self, index: int, samples: int, budget: int, seed: int) -> SamplingParams:
        compared = index < COMPARED_PROMPTS and self.temperature == 1.0
        return SamplingParams(
            n=samples,
            temperature=self.temperature,
            max_tokens=budget,
            seed=derive(seed, index),
            # Ours are all that there are; vLLM would stop at what the tokenizer alone calls its end, too.
            ignore_eos=True,
            stop_token_ids=list(self.stop_ids),
            detokenize=False,
            logprobs=0 if compared else None,
            # Otherwise an answer holds only the response that finished last.
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _sample(self, prompt: tuple[int, ...], output: Any) -> Response:
        tokens = list(output.token_ids)
        if output.logprobs is not None:
            values = [place[token].logprob for place, token in zip(output.logprobs, tokens, strict=True)]
            self.logp[prompt, tuple(tokens)] = values
        return Response(tokens, "length" if output.finish_reason == "length" else "stop")

    def kl(self, sequences: Seq[Sequence], now: Pass) -> dict[str, float]:
        """`rollout/kl`: mean of log q - log pi over sampled tokens, nats, where q is vLLM's policy.

        pi is the policy before the update. Near 0 while vLLM samples from the current weights.
        """
        differences = []
        for sequence, logp, mask in zip(sequences, now.logp, now.mask.bool(), strict=True):
            values = self.logp.get((sequence.prompt, sequence.response))
            if values is not None and not sequence.is_demonstration:
                differences.append(torch.tensor(values) - logp[mask])
        self.logp.clear()
        return {"rollout/kl": torch.cat(differences).mean().item()} if differences else {}
