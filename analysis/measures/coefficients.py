"""Token coefficients of the demonstration's gradient as functions of its probability (no data)."""

import numpy as np

LUFFY_GAMMA = 0.1
TRUST_ALPHA = 0.1


def shift_ratio(pi: np.ndarray, beta: float | np.ndarray) -> np.ndarray:
    """rho = pi / (beta + (1 - beta) pi), the coefficient of RED (Eq. 8, 11); 1 for beta = 0."""
    return pi / (beta + (1 - beta) * pi)


def through_denominator(pi: np.ndarray, beta: float | np.ndarray) -> np.ndarray:
    """The same without the stop-gradient: beta pi / (beta + (1 - beta) pi)^2; 0 for beta = 0."""
    return beta * pi / (beta + (1 - beta) * pi) ** 2


def luffy(pi: np.ndarray, gamma: float = LUFFY_GAMMA) -> np.ndarray:
    """gamma pi / (pi + gamma)^2: LUFFY's shape f(pi) = pi / (pi + gamma), gradient through f."""
    return gamma * pi / (pi + gamma) ** 2


def trust(pi: np.ndarray, alpha: float = TRUST_ALPHA) -> np.ndarray:
    """pi / max(pi, alpha): TrSFT's and TRAPO's, 1 inside the trust region."""
    kappa: np.ndarray = pi / np.maximum(pi, alpha)
    return kappa


def phi(pi: np.ndarray) -> np.ndarray:
    """pi (1 - pi): CHORD-phi's weight of a token."""
    kappa: np.ndarray = pi * (1 - pi)
    return kappa


def rl_plus(pi: np.ndarray) -> np.ndarray:
    """4 pi sqrt(1 - pi) / (3 pi + 1): RL-PLUS's at the first update of a step."""
    kappa: np.ndarray = 4 * pi * np.sqrt(1 - pi) / (3 * pi + 1)
    return kappa


def entropy_change(probabilities: np.ndarray, target: int) -> float:
    """dH per unit step of gradient ascent on the probability of one outcome of a softmax (nats).

    dH = pi_a [sum_j pi_j^2 (log pi_j + H) - pi_a (log pi_a + H)].
    """
    logs = np.log(probabilities)
    entropy = -float(np.sum(probabilities * logs))
    own = probabilities[target] * (logs[target] + entropy)
    return float(probabilities[target] * (np.sum(probabilities**2 * (logs + entropy)) - own))
