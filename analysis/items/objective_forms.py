"""Figure 4: forms of the objective on demonstrations.

A drawing, no data: from imitation to the off-policy form, and the coefficient of a demonstration token under each
choice of the offline policy.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.measures.coefficients import LUFFY_GAMMA, luffy, shift_ratio
from analysis.output.item import Figure
from analysis.parts.drawing import Box, arrow, draw_boxes
from analysis.parts.style import BLACK, BLUE, GREY, LOOKS, MAGENTA, canvas
from red.tables.reader import Tables

STEPS = (
    Box(0.11, 0.5, 0.20, 0.80, "imitation (SFT)\n\n$-\\log\\pi$", "#f9e0ec"),
    Box(0.37, 0.5, 0.20, 0.80, "on-policy form\nEq. 6\n$-\\hat{A}\\,\\log\\pi$", "#f0f0f0"),
    Box(0.63, 0.5, 0.20, 0.80, "off-policy form\nEq. 7\n$-\\hat{A}\\;\\pi\\,/\\,\\pi_{off}$", "#f0f0f0"),
    Box(0.89, 0.5, 0.20, 0.80, "choose $\\pi_{off}$\n$1$,  $\\pi$,  or\n$\\beta+(1-\\beta)\\pi$", "#dcebf7"),
)
BETAS = {0.0: "0", 0.125: "1/8", 0.5: "1/2", 1.0: "1"}


def build(tables: Tables) -> Figure:
    """Above: the forms. Below: coefficient kappa on advantage times score, by token probability."""
    picture, axes = canvas(2, 1, 3.9, height_ratios=[1, 2.7])
    above, below = axes[:, 0]
    draw_boxes(above, STEPS)
    for (left, right), text in zip(
        zip(STEPS, STEPS[1:], strict=False), ("$\\times\\hat{A}$", "ratio", ""), strict=True
    ):
        arrow(above, left.side("right"), right.side("left"))
        above.text((left.x + right.x) / 2, 0.66, text, ha="center", parse_math=True)
    pi = np.linspace(0.001, 1, 400)
    curves = _curves(pi)
    for name, (kappa, options, (x, dy)) in curves.items():
        below.plot(pi, kappa, **options)
        y = float(np.interp(x, pi, kappa))
        below.annotate(
            name,
            (x, y),
            (0, dy),
            textcoords="offset points",
            ha="center",
            va="center",
            color=options["color"],
            bbox={"fc": "white", "ec": "none", "pad": 0.6},
            parse_math=True,
        )
    below.set(
        xlim=(0, 1),
        ylim=(0, 1.09),
        xlabel="token probability π of the demonstration",
        ylabel="coefficient κ on Â ∇log π",
    )
    numbers = pd.concat(pd.DataFrame({"curve": n, "pi": pi[::8], "kappa": c[0][::8]}) for n, c in curves.items())
    return Figure(
        title="Forms of the objective on demonstrations and their token coefficients",
        caption="A drawing, no data. Above: the steps from imitation to the choice of an offline policy. "
        "Below: the factor κ that multiplies advantage times score for a demonstration token. Shift: "
        "π/(β+(1−β)π) with the denominator held fixed; β = 0 coincides with π_off = π (imitation times the "
        "advantage), β = 1 with π_off = 1 (MixPolicy). LUFFY: gradient through its shape π/(π+0.1).",
        picture=picture,
        numbers=numbers,
    )


def _curves(pi: np.ndarray) -> dict[str, tuple[np.ndarray, dict[str, Any], tuple[float, int]]]:
    """Name to (kappa, line options, label position as (pi, points above))."""
    dashes = {0.0: "-", 0.125: (0, (5, 1.5)), 0.5: (0, (3, 1.2, 1, 1.2)), 1.0: "-"}
    colors = {0.0: BLACK, 0.125: LOOKS["red"].color, 0.5: MAGENTA, 1.0: GREY}
    places = {0.0: (0.30, 0), 0.125: (0.14, 0), 0.5: (0.40, 0), 1.0: (0.62, 0)}
    notes = {0.0: r" ($\pi_{off}=\pi$)", 1.0: r" ($\pi_{off}=1$)"}
    curves: dict[str, tuple[np.ndarray, dict[str, Any], tuple[float, int]]] = {}
    for beta, text in BETAS.items():
        options: dict[str, Any] = {"color": colors[beta], "ls": dashes[beta]}
        curves[f"β = {text}{notes.get(beta, '')}"] = (shift_ratio(pi, beta), options, places[beta])
    options = {"color": BLUE, "ls": (0, (1, 1))}
    curves[f"LUFFY, γ = {LUFFY_GAMMA:g}"] = (luffy(pi), options, (0.72, 8))
    return curves
