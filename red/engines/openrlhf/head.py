"""The policy without logits: its output layer gives log-probability and entropy of the actions alone.

A micro-batch of 16,384 tokens over 151,936 words would hold 10 GB of logits, several times. `red.objective.vocabulary`
reads the vocabulary in blocks, and for the hidden states that predict an action only: prompts and padding cost none.
"""

from typing import Any

import torch
from openrlhf.models import Actor
from torch import Tensor
from torch.nn.functional import pad

from red.errors import DataError
from red.objective.vocabulary import logp_and_entropy

# Of log-probabilities, nats: bfloat16 logits near 20 are rounded by 0.06. Another scale or a shift moves them by more.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}
TRIED = 8


class Head:
    """In the place of an output layer's `forward`: logits of the next tokens become what is asked of them.

    A method of the layer's module, so that DeepSpeed has gathered the weights whenever it is called.
    """

    def __init__(self, layer: torch.nn.Linear, temperature: float, cap: float | None) -> None:
        self.layer, self.temperature, self.cap = layer, temperature, cap
        self.places = self.target = torch.empty(0, dtype=torch.long)

    def __call__(self, hidden: Tensor) -> Tensor:
        """(2, N) log-probabilities at `temperature` and entropies at 1 of `target`, each read at one of `places` of the
        flat batch."""
        source, weight, bias = hidden.flatten(0, 1)[self.places], self.layer.weight, self.layer.bias
        if bias is not None:
            source = torch.cat([source, source.new_ones(len(source), 1)], 1)
            weight = torch.cat([weight, bias[:, None]], 1)
        return torch.stack(logp_and_entropy(source, weight, self.target, self.temperature, self.cap))


class LogitlessActor(Actor):
    """OpenRLHF's policy with such a head; `attach` turns a stock one into it."""

    def attach(self) -> None:
        """After DeepSpeed has wrapped the model, or without it. DataError if its logits are not what the head
        computes."""
        network: Any = getattr(self.model, "module", self.model)
        layer, config = network.get_output_embeddings(), network.config.get_text_config()
        ids = torch.arange(TRIED, device=layer.weight.device)[None] % config.vocab_size
        with torch.no_grad():
            expected = self.model(input_ids=ids).logits.float().div(self.temperature).log_softmax(-1)
        cap = getattr(config, "final_logit_softcapping", None)
        if cap is not None:
            config.final_logit_softcapping = None  # the head does it
        layer.forward = self.head = Head(layer, self.temperature, cap)
        every = torch.ones_like(ids)
        with torch.no_grad():
            found, _ = self(ids, every[:, 1:], every)
        gap = (found - expected[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]).abs().max().item()
        if gap > TOLERANCE.get(layer.weight.dtype, 0.25):  # weights that are not finite are the guard's
            raise DataError(
                f"{network.config.model_type}: log-probabilities from the output layer are off by {gap:.2g} nats: this "
                "architecture changes its logits after the output layer, which the engine does not know"
            )

    def forward(self, sequences: Tensor, action_mask: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T-1) log-probabilities at the rollout temperature and entropies at temperature 1 of all tokens but the
        first, 0 where there is no action. Rows are filled up at their ends, which causal attention does not see."""
        actions, real = action_mask.bool(), attention_mask.bool()
        sources = pad(actions, (0, 1))
        arguments: dict[str, Any] = {"input_ids": sequences}
        self.head.places = sources.flatten().nonzero()[:, 0]
        if self.packing_samples:
            # One row; where positions begin anew, attention does.
            position = torch.arange(sequences.shape[1], device=sequences.device).expand_as(sequences)
            arguments = {"input_ids": sequences[real][None], "position_ids": position[real][None]}
            self.head.places = sources[real].nonzero()[:, 0]
        self.head.target = sequences.roll(-1, dims=1)[sources]
        empty = torch.zeros(actions.shape, device=sequences.device)
        logp, entropy = (
            empty.masked_scatter(actions, values) for values in self.model(**arguments, use_cache=False).logits
        )
        return logp, entropy
