"""Scores of one benchmark. Arrays in, numbers out.

`correct_ps` has one row per problem and one column per sample; its values are 0 or 1 (or booleans).
Accuracies are shares in [0, 1], lengths are response tokens, the end token included.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def avg_at_k(correct_ps: ArrayLike) -> float:
    """Mean over problems of the share of right samples: the expected pass@1 at that temperature."""
    return float(_matrix(correct_ps).mean())


def first_pass_at_1(correct_ps: ArrayLike) -> float:
    """Share of problems whose first sample is right; noisier than `avg_at_k`, same expectation."""
    return float(_matrix(correct_ps)[:, 0].mean())


def pass_at_k(correct_ps: ArrayLike, k: int) -> float:
    """Unbiased pass@k: mean over problems of 1 - C(n-c, k) / C(n, k).

    Computed as 1 - prod over i in n-c+1..n of (1 - k/i), which is 1 where n - c < k. ValueError
    unless 1 <= k <= n. `pass_at_k(x, 1)` equals `avg_at_k(x)`.
    """
    correct = _matrix(correct_ps)
    n = correct.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs between 1 and {n} samples")
    failed = [np.prod(1 - k / np.arange(n - c + 1, n + 1)) if n - c >= k else 0.0 for c in range(n + 1)]
    return float(1 - np.array(failed)[correct.sum(1).astype(int)].mean())


def majority_at_k(
    answers_ps: Sequence[Sequence[Hashable | None]], correct_ps: ArrayLike, k: int | None = None
) -> float:
    """maj@k: share of problems whose most frequent answer among the first k samples is right.

    None is an answer that could not be read and has no vote. Answers that tie share the verdict
    evenly, so the figure does not depend on order. A problem without any vote is wrong.
    """
    correct = _matrix(correct_ps)[:, :k]
    pairs = zip(answers_ps, correct, strict=True)
    return float(np.mean([_majority(list(answers)[:k], right) for answers, right in pairs]))


def _majority(answers: Sequence[Hashable | None], correct: Floats) -> float:
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    leaders = [answer for answer, count in votes.items() if count == most]
    return float(np.mean([correct[list(answers).index(answer)] for answer in leaders]))


def mean_length(tokens_ps: ArrayLike) -> float:
    """Mean response length in tokens over all samples; truncated ones count with their cut length."""
    return float(np.mean(_matrix(tokens_ps)))


def mean_length_where(tokens_ps: ArrayLike, chosen_ps: ArrayLike) -> float:
    """Mean length of the chosen samples (the right ones, the wrong ones); NaN if there are none."""
    tokens, chosen = _matrix(tokens_ps), _matrix(chosen_ps).astype(bool)
    return float(tokens[chosen].mean()) if chosen.any() else float("nan")


def share(flags_ps: ArrayLike) -> float:
    """Share of samples with a property: truncated, unparsed."""
    return float(np.mean(_matrix(flags_ps)))


def _matrix(values: ArrayLike) -> Floats:
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"expected a problems x samples matrix, found shape {matrix.shape}")
    return matrix
