"""Boxes and arrows for the figures that are drawn rather than measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from analysis.parts.style import BLACK

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rounded box with centred text, perhaps with formulas; x, y is its centre, in axes units."""

    x: float
    y: float
    width: float
    height: float
    text: str
    fill: str = "white"
    edge: str = BLACK
    dashed: bool = False

    def side(self, name: str) -> Point:
        """Middle of one side: left, right, top or bottom."""
        dx, dy = {"left": (-1, 0), "right": (1, 0), "top": (0, 1), "bottom": (0, -1)}[name]
        return self.x + dx * self.width / 2, self.y + dy * self.height / 2


def draw_boxes(axes: Axes, boxes: Sequence[Box]) -> None:
    """Boxes on axes without ticks that run from 0 to 1."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for box in boxes:
        corner = box.x - box.width / 2, box.y - box.height / 2
        axes.add_patch(
            FancyBboxPatch(
                corner,
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=0.012",
                facecolor=box.fill,
                edgecolor=box.edge,
                linewidth=0.9,
                linestyle="--" if box.dashed else "-",
            )
        )
        axes.text(box.x, box.y, box.text, ha="center", va="center", linespacing=1.25, parse_math=True)


def arrow(axes: Axes, start: Point, end: Point, bend: float = 0.0, **options: Any) -> None:
    """An arrow from one point to another."""
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 0.9, "color": BLACK}
    axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **(look | options)))
