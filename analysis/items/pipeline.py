"""Figure 3: one training step of RED.

A drawing, no data: how rollouts and a demonstration form a group, and where both components enter.
"""

import pandas as pd

from analysis.output.item import Figure
from analysis.parts.drawing import Box, arrow, draw_boxes
from analysis.parts.style import canvas
from red.tables.reader import Tables

MEETING = 0.895  # where the components' arrows enter the update
ENTROPY_TEXT = "entropy changes\n$\\Delta H^{sft}$, $\\Delta H^{rl}$\nsince last step"
WEIGHT_TEXT = "I  weight w\n$w=\\mathrm{clip}(\\Delta H^{sft}/\\Delta H^{rl})$\nin $[1, G]$"
OWN, TEACHER, SHARED = "#dcebf7", "#f9e0ec", "#f0f0f0"
BOXES = {
    "prompt": Box(0.075, 0.60, 0.12, 0.14, "prompt $q$", SHARED),
    "rollouts": Box(0.285, 0.80, 0.19, 0.17, "rollouts of the\ncurrent policy\n$o_1 \\ldots o_7$", OWN),
    "demonstration": Box(0.285, 0.36, 0.19, 0.17, "demonstration\nof the teacher\n$o_8$", TEACHER),
    "rewards": Box(0.52, 0.60, 0.17, 0.15, "rewards of the\nwhole group", SHARED),
    "accuracy": Box(0.52, 0.90, 0.17, 0.15, "group accuracy\n$\\beta$ of rollouts", OWN),
    "entropy": Box(0.52, 0.16, 0.20, 0.19, ENTROPY_TEXT, SHARED),
    "advantage": Box(0.745, 0.60, 0.15, 0.13, "advantage $\\hat{A}_i$", SHARED),
    "shift": Box(0.79, 0.90, 0.25, 0.15, "II  policy shift\n$\\pi_{off}=\\beta+(1-\\beta)\\,\\pi$", TEACHER),
    "weight": Box(0.79, 0.16, 0.25, 0.19, WEIGHT_TEXT, TEACHER),
    "update": Box(0.925, 0.60, 0.145, 0.24, "one update\nrollouts +\n$w$ · demonstr.", SHARED),
}


def build(tables: Tables) -> Figure:
    """Rollouts and a demonstration form a group; entropies give w, accuracy gives the offline policy."""
    picture, grid = canvas(1, 1, 2.7)
    axes = grid[0][0]
    draw_boxes(axes, tuple(BOXES.values()))
    at = {name: box.side for name, box in BOXES.items()}
    arrow(axes, at["prompt"]("top"), at["rollouts"]("left"), bend=-0.2)
    arrow(axes, at["prompt"]("bottom"), at["demonstration"]("left"), bend=0.2)
    arrow(axes, at["rollouts"]("right"), at["accuracy"]("left"))
    arrow(axes, at["rollouts"]("right"), at["rewards"]("left"))
    arrow(axes, at["demonstration"]("right"), at["rewards"]("left"))
    arrow(axes, at["demonstration"]("right"), at["entropy"]("left"))
    right, top = at["rollouts"]("right")[0], at["entropy"]("top")[1]
    arrow(axes, (right, 0.75), (0.45, top), linestyle="--")
    arrow(axes, at["rewards"]("right"), at["advantage"]("left"))
    arrow(axes, at["accuracy"]("right"), at["shift"]("left"))
    arrow(axes, at["entropy"]("right"), at["weight"]("left"))
    arrow(axes, at["advantage"]("right"), at["update"]("left"))
    arrow(axes, (MEETING, at["shift"]("bottom")[1]), (MEETING, at["update"]("top")[1]))
    arrow(axes, (MEETING, at["weight"]("top")[1]), (MEETING, at["update"]("bottom")[1]))
    title = "One training step of RED"
    picture.suptitle(title, x=0.01, ha="left")
    numbers = pd.DataFrame([{"box": name, "text": box.text.replace("\n", " ")} for name, box in BOXES.items()])
    return Figure(
        title=title,
        caption="A drawing, no data. Seven rollouts and one demonstration form the group of a prompt. "
        "Component I weighs the demonstrations by the quotient of the entropy changes on demonstrations and "
        "on rollouts; component II takes the offline policy from the accuracy of the group's rollouts. "
        "Blue: from the model itself; pink: about the demonstration.",
        picture=picture,
        numbers=numbers,
    )
