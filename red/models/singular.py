"""Singular values and vectors of two weight matrices beside each other (Jin et al., arXiv 2509.12235).

Pure functions on float64 arrays. Any small change leaves the values nearly as they are and turns the vectors, so every
number means something only beside that of a random change of the same norm (`random_change`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import subspace_angles

Floats = NDArray[np.float64]
GAP = 1e-3
"""Of the largest singular value: nearer ones have no vectors of their own, only a plane."""


@dataclass(frozen=True)
class Factors:
    """The thin decomposition W = U diag(σ) Vᵀ of a matrix [m, n] with r = min(m, n).

    left   U, [m, r]
    values σ, [r], the largest first
    right  V, [n, r]
    """

    left: Floats
    values: Floats
    right: Floats

    @property
    def top(self) -> int:
        """Number of leading vectors that are compared, ⌈r / 5⌉: all of them span the same by construction."""
        return math.ceil(len(self.values) / 5)

    @property
    def is_separated(self) -> bool:
        """Whether no two neighbouring values are nearer than GAP σ1; else single vectors mean nothing."""
        return bool((self.values[:-1] - self.values[1:] >= GAP * self.values[0]).all())


@dataclass(frozen=True)
class Energy:
    """Shares of the squared norm of a change ΔW, seen in the vectors of the matrix it is added to; 0 for no change.

    diagonal  Σ_i (u_iᵀ ΔW v_i)² : what changes the values, to first order
    in_span   ‖Uᵀ ΔW V‖², the diagonal included
    outside   the rest, which only a matrix that is not square has
    """

    diagonal: float
    in_span: float
    outside: float


def factors(weight: Floats) -> Factors:
    """Decompose a finite matrix."""
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    return Factors(left, values, right.T)


def composed(vectors: Factors, values: Factors) -> Floats:
    """The matrix with the singular vectors of one and the values of the other."""
    matrix: Floats = (vectors.left * values.values) @ vectors.right.T
    return matrix


def relative_change(before: Factors, after: Factors) -> Floats:
    """(σ_after - σ_before) / σ_before by rank, [r]; 0 where σ_before is 0."""
    change = after.values - before.values
    return np.divide(change, before.values, out=np.zeros_like(change), where=before.values > 0)


def angles(before: Floats, after: Floats) -> Floats:
    """Principal angles (radians, ascending) between the spans of orthonormal columns [m, k]: arccos of the singular
    values of beforeᵀ after; small ones by their sine, which rounding leaves alone."""
    found: Floats = subspace_angles(before, after)[::-1]
    return found


def energy(before: Factors, change: Floats) -> Energy:
    """Where in the vectors of `before` a change lies."""
    total = float((change**2).sum())
    if total == 0:
        return Energy(0.0, 0.0, 0.0)
    inside = before.left.T @ change @ before.right
    diagonal, in_span = float((inside.diagonal() ** 2).sum()) / total, float((inside**2).sum()) / total
    return Energy(diagonal, in_span, max(1 - in_span, 0.0))


def random_change(shape: tuple[int, ...], norm: float, rng: Generator) -> Floats:
    """A matrix of independent normal entries, scaled to a Frobenius norm."""
    drawn: Floats = rng.standard_normal(shape)
    return drawn * (norm / float(np.linalg.norm(drawn)))


def rounding_change(weight: Floats, rng: Generator) -> Floats:
    """What rounding to bfloat16 (8 significant bits) changes: uniform within half of the last place of each entry.

    Drawn, not computed: of weights that are stored in bfloat16 what was rounded away is no longer known.
    """
    _, exponent = np.frexp(weight)
    changed: Floats = np.ldexp(rng.uniform(-0.5, 0.5, weight.shape), exponent - 8)
    return np.where(weight == 0, 0.0, changed)
