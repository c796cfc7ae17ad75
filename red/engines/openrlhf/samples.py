"""Rollouts from vLLM, in exact token ids, and the engines that make them, which get their weights in few messages."""

import math
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
from openrlhf.trainer.ray import vllm_engine
from openrlhf.trainer.ray.utils import get_physical_gpu_id
from openrlhf.trainer.ray.vllm_engine import batch_vllm_engine_call
from openrlhf.trainer.ray.vllm_worker_wrap import WorkerWrap
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from red.methods.base import Sequence
from red.models.passes import Pass
from red.sampling.earliest import earliest
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
    oversampling: float = 1.0
    logp: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = field(default_factory=dict)

    def __call__(
        self, prompts: Seq[tuple[int, ...]], samples: int, budgets: Seq[int], seed: int
    ) -> list[list[Response]]:
        """One request per prompt; its seed depends on the prompt's place in the call.

        With `oversampling` a request per response, and those that end first: shorter ones are favored.
        """
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "wake_up")
        answers = ray.get(
            [
                self.engines[index % len(self.engines)].responses.remote(
                    list(prompt), self._parameters(index, samples, budget, derive(seed, index)), samples
                )
                for index, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True))
            ]
        )
        if self.sleeps:
            batch_vllm_engine_call(self.engines, "sleep")
        return [
            [self._sample(prompt, output) for output in answer] for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _parameters(self, index: int, samples: int, budget: int, seed: int) -> list[SamplingParams]:
        """One request for all responses to a prompt; or one for each, because only whole requests are cancelled."""
        if self.oversampling == 1:
            return [self._request(index, samples, budget, seed)]
        asked = math.ceil(self.oversampling * samples)
        return [self._request(index, 1, budget, derive(seed, place)) for place in range(asked)]

    def _request(self, index: int, samples: int, budget: int, seed: int) -> SamplingParams:
        compared = index < COMPARED_PROMPTS and self.temperature == 1.0
        return SamplingParams(
            n=samples,
            temperature=self.temperature,
            max_tokens=budget,
            seed=seed,
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


# Where torch's handle of a CUDA tensor has the number of its device.
DEVICE = 6


class Receiver(WorkerWrap):
    """Mixed into vLLM's worker, whose attributes `device` and `model_runner` it uses."""

    def receive_weights(
        self, contents: Seq[tuple[str, tuple[int, ...]]], dtype: torch.dtype, handles: dict[Any, Any] | None
    ) -> None:
        """Name and shape of what is laid out in one flat tensor, which a handle leads to or the group brings."""
        sizes = [math.prod(shape) for _, shape in contents]
        if handles is None:
            flat = torch.empty(sum(sizes), dtype=dtype, device=self.device)
            self._model_update_group.broadcast(flat, src=0, stream=torch.cuda.current_stream())
        else:
            make, arguments = handles[get_physical_gpu_id()]
            flat = make(*arguments[:DEVICE], self.device.index, *arguments[DEVICE + 1 :])
        parts = zip(contents, flat.split(sizes), strict=True)
        self.model_runner.model.load_weights(weights=[(name, part.view(shape)) for (name, shape), part in parts])
        torch.cuda.synchronize()


class RolloutActor(vllm_engine.RolloutRayActor.__ray_actor_class__):
    """One engine; its workers are `Receiver`s."""

    async def __init__(self, *positional: Any, **named: Any) -> None:  # type: ignore[misc]  # as Ray allows
        named["worker_extension_cls"] = f"{Receiver.__module__}.{Receiver.__qualname__}"
        await super().__init__(*positional, **named)

    async def responses(self, prompt: list[int], requests: Seq[SamplingParams], count: int) -> list[Any]:
        """vLLM's outputs of `count` responses to a prompt; of as many requests or more, of those that end first."""
        if len(requests) == 1:
            return list((await self.generate(prompt, requests[0])).outputs)
        answers = await earliest([self.generate(prompt, request) for request in requests], count)
        return [answer.outputs[0] for answer in answers]

    async def receive_weights(self, *arguments: Any) -> None:
        """On all of its workers."""
        await self.llm.collective_rpc("receive_weights", args=arguments)
