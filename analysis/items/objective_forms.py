"""Figure 4: forms of the objective on demonstrations.

A drawing, no data: from imitation to the off-policy form, and the coefficient of a demonstration token under each
choice of the offline policy, and in the methods that have another one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from analysis.measures.coefficients import LUFFY_GAMMA, TRUST_ALPHA, luffy, phi, rl_plus, shift_ratio, trust
from analysis.output.item import Figure
from analysis.parts.drawing import Box, arrow, draw_boxes
from analysis.parts.style import BLACK, FULL, GREY, LOOKS, MAGENTA, Look
from red.tables.reader import Tables

STEPS = (
    Box(0.11, 0.5, 0.20, 0.80, "imitation (SFT)\n\n$-\\log\\pi$", "#f9e0ec"),
    Box(0.37, 0.5, 0.20, 0.80, "on-policy form\nEq. 6\n$-\\hat{A}\\,\\log\\pi$", "#f0f0f0"),
    Box(0.63, 0.5, 0.20, 0.80, "off-policy form\nEq. 7\n$-\\hat{A}\\;\\pi\\,/\\,\\pi_{off}$", "#f0f0f0"),
    Box(0.89, 0.5, 0.20, 0.80, "choose $\\pi_{off}$\n$1$,  $\\pi$,  or\n$\\beta+(1-\\beta)\\pi$", "#dcebf7"),
)
RED = LOOKS["red"].color


@dataclass(frozen=True)
class Curve:
    """kappa by pi, and where its name stands: at `pi`, so many points above the line."""

    name: str
    kappa: np.ndarray
    look: Look
    pi: float
    above: float = 0.0


def build(tables: Tables) -> Figure:
    """Above: the forms. Below: coefficient kappa on advantage times score, by token probability."""
    picture = Picture(figsize=(FULL, 4.3))
    (above,), (below,) = picture.subfigures(2, 1, squeeze=False, height_ratios=[1, 2.9])
    _draw_forms(above.subplots())
    pi = np.linspace(0.001, 1, 400)
    panels = {"(a) RED's shift": _shifts(pi), "(b) Other methods, and RED's at β = 1/8": _others(pi)}
    for where, (title, curves) in zip(below.subplots(1, 2, sharey=True), panels.items(), strict=True):
        where.set(xlim=(0, 1), ylim=(0, 1.12), title=title, xlabel="token probability π of the demonstration")
        for curve in curves:
            _draw(where, pi, curve)
    below.axes[0].set_ylabel("coefficient κ on Â ∇log π")
    every = {curve.name: curve for curves in panels.values() for curve in curves}
    numbers = pd.concat(
        pd.DataFrame({"curve": name, "pi": pi[::8], "kappa": curve.kappa[::8]}) for name, curve in every.items()
    )
    return Figure(
        title="Forms of the objective on demonstrations and their token coefficients",
        caption="A drawing, no data. Above: the steps from imitation to the choice of an offline policy. "
        "Below: the factor κ that multiplies advantage times score for a demonstration token, at the first update of "
        "a step; where a method has no advantage, it is 1. (a) Shift: π/(β+(1−β)π) with the denominator held fixed; "
        "β = 0 coincides with π_off = π (imitation times the advantage), β = 1 with π_off = 1 (MixPolicy). (b) 1: also "
        "PSFT, and what Prefix-RFT learns of a prefix. LUFFY: gradient through its shape π/(π+0.1). TrSFT is the "
        "hard-edged relative of RED's shift.",
        picture=picture,
        numbers=numbers,
    )


def _draw_forms(where: Axes) -> None:
    draw_boxes(where, STEPS)
    for (left, right), text in zip(
        zip(STEPS, STEPS[1:], strict=False), ("$\\times\\hat{A}$", "ratio", ""), strict=True
    ):
        arrow(where, left.side("right"), right.side("left"))
        where.text((left.x + right.x) / 2, 0.66, text, ha="center", parse_math=True)


def _draw(where: Axes, pi: np.ndarray, curve: Curve) -> None:
    where.plot(pi, curve.kappa, color=curve.look.color, ls=curve.look.dashes)
    where.annotate(
        curve.name,
        (curve.pi, float(np.interp(curve.pi, pi, curve.kappa))),
        (0, curve.above),
        textcoords="offset points",
        ha="center",
        va="center",
        color=curve.look.color,
        bbox={"fc": "white", "ec": "none", "pad": 0.6},
        parse_math=True,
    )


def _shifts(pi: np.ndarray) -> list[Curve]:
    dotted = (0, (3, 1.2, 1, 1.2))
    return [
        Curve(r"β = 0 ($\pi_{off}=\pi$)", shift_ratio(pi, 0.0), Look(BLACK), 0.32, 7),
        _reference(pi),
        Curve("β = 1/2", shift_ratio(pi, 0.5), Look(MAGENTA, dotted), 0.30),
        Curve(r"β = 1 ($\pi_{off}=1$)", shift_ratio(pi, 1.0), Look(GREY), 0.80, -11),
    ]


def _reference(pi: np.ndarray) -> Curve:
    return Curve("β = 1/8", shift_ratio(pi, 0.125), Look(RED, (0, (5, 1.5))), 0.30)


def _others(pi: np.ndarray) -> list[Curve]:
    names = ("sft", "trsft", "dft", "rl_plus", "luffy", "chord_phi")
    sft, trsft, dft, plus, shape, chord = (Look(LOOKS[name].color, LOOKS[name].dashes) for name in names)
    return [
        Curve("SFT: 1", np.ones_like(pi), sft, 0.75, 7),
        Curve(f"TrSFT, α = {TRUST_ALPHA:g}", trust(pi), trsft, 0.20, 7),
        _reference(pi),
        Curve("DFT: π", pi, dft, 0.68),
        Curve("RL-PLUS", rl_plus(pi), plus, 0.40, 7),
        Curve(f"LUFFY, γ = {LUFFY_GAMMA:g}", luffy(pi), shape, 0.72, -7),
        Curve("CHORD-φ", phi(pi), chord, 0.55, 6),
    ]
