"""Per-token factors that turn a sum over tokens into `seq_mean`, `token_mean` or `const`.

The counts come from the whole optimizer step, so any split into micro-batches adds up to the
same loss and gradient.
"""

import torch
from torch import Tensor

from red.objective.spec import Aggregation

ROUNDING = 1e-6  # 0.2 of 35 tokens are 7, not 8


def token_factor(mask_st: Tensor, sequences: float, tokens: float, spec: Aggregation) -> Tensor:
    """(S, T): the factor on each token's loss; 0 where the mask is 0 or the set is empty.

    seq_mean: 1 / (N n_i). token_mean: 1 / tokens. const: 1 / (N L).
    """
    if not tokens:
        return torch.zeros_like(mask_st)
    match spec.kind:
        case "seq_mean":
            length_s = mask_st.sum(dim=1, keepdim=True).clamp(min=1)
            return mask_st / (length_s * sequences)
        case "token_mean":
            return mask_st / tokens
        case "const":
            if spec.length is None:
                raise ValueError("aggregation const has no length; resolve it with the response limit")
            return mask_st / (sequences * spec.length)
    raise ValueError(f"unknown aggregation {spec.kind!r}")


def highest(value_st: Tensor, mask_st: Tensor, share: float) -> Tensor:
    """(S, T): mask of the ceil(share n) counted tokens of highest value in each sequence; of equal ones the first."""
    count_s = (share * mask_st.sum(dim=1) - ROUNDING).ceil()
    order = value_st.masked_fill(mask_st == 0, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return mask_st * (order.argsort(dim=1) < count_s[:, None])


def sequence_mean(value_st: Tensor, mask_st: Tensor) -> Tensor:
    """(S,): mean over the counted tokens of each sequence; 0 for an empty one."""
    return (value_st * mask_st).sum(dim=1) / mask_st.sum(dim=1).clamp(min=1)
