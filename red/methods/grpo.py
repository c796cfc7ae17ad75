"""GRPO: clipped surrogate on rollouts, advantages over std, sequence mean, no KL (Eq. 1)."""

from red.methods.base import Method

METHOD = Method()
