"""How pictures look: paper widths, one font and size, one colour, line and marker per method."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from red.tables.reader import Run

FULL = 5.5  # inches, the text width of the paper
EMPTY = 1.0  # height of a figure that has nothing to show
FONT_SIZE = 7.5
SETTINGS = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    # A label may hold dollar signs that are no formula; what is one says `parse_math=True`.
    "text.parse_math": False,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), FONT_SIZE),
    **dict.fromkeys(("font.size", "legend.fontsize", "figure.titlesize"), FONT_SIZE),
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.hashsalt": "red",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}
# Sizes are read when text is made, not when a figure is opened, so a context around `canvas` is not enough.
matplotlib.use("agg")
matplotlib.rcParams.update(SETTINGS)  # type: ignore[arg-type]  # the stubs want literal names

BLUE, MAGENTA, GREY, BLACK = "#0060ad", "#c2408c", "#6f6f6f", "#1a1a1a"
SELF_GENERATED, TEACHER_FORCED = BLUE, MAGENTA


@dataclass(frozen=True)
class Look:
    """Colour, dash pattern and marker of one run; dashes and markers carry the meaning in grey."""

    color: str
    dashes: LineStyleType = "-"
    marker: str = "o"


SOLID: LineStyleType = "-"
DASHED, LONG, DOTTED = (0, (4, 1.6)), (0, (8, 2)), (0, (1, 1.3))
DASHDOT, DASHDOTDOT = (0, (5, 1.4, 1, 1.4)), (0, (5, 1.4, 1, 1.4, 1, 1.4))
DENSE, SPARSE, EVEN, NEARLY_SOLID = (0, (2, 0.9)), (0, (1, 3)), (0, (3, 3)), (0, (10, 1))
DASHDASHDOT, PAIRS = (0, (6, 1.2, 6, 1.2, 1, 1.2)), (0, (4, 1, 4, 3))
LOOKS = {
    "base": Look(BLACK, DOTTED, "x"),
    "sft": Look("#e69f00", SOLID, "s"),
    "grpo": Look("#3a9bd9", SOLID, "o"),
    "drgrpo": Look("#3a9bd9", DOTTED, "."),
    "sft_grpo": Look("#7a5195", DASHED, "v"),
    "sft_dapo": Look("#7a5195", SOLID, "^"),
    "sft_rl": Look("#7a5195", DENSE, "s"),
    "mix_policy": Look("#009e73", LONG, "D"),
    "rl_sft": Look("#8c6d1f", DASHDOT, "p"),
    "luffy": Look("#00508f", DASHED, "P"),
    "srft": Look("#9c3b12", DASHDOTDOT, "<"),
    "relift": Look("#6b8e23", DASHDOTDOT, ">"),
    "bread": Look("#5b5b5b", DOTTED, "h"),
    "chord_mu": Look("#b5a642", LONG, "d"),
    "chord_phi": Look("#b5a642", DASHDOT, "H"),
    "hpt": Look(BLACK, DASHED, "*"),
    "dft": Look("#e69f00", DENSE, "<"),
    "trsft": Look("#e69f00", DOTTED, ">"),
    "psft": Look("#e69f00", SPARSE, "p"),
    "gpg": Look("#3a9bd9", LONG, "s"),
    "nft": Look("#3a9bd9", DENSE, "8"),
    "superrl": Look(BLACK, SOLID, "s"),
    "rl_plus": Look("#00508f", DASHDOT, "o"),
    "gac": Look("#8c6d1f", SPARSE, "<"),
    "uft": Look("#00508f", LONG, "s"),
    "redi": Look("#e69f00", PAIRS, "1"),
    "gvpo": Look("#3a9bd9", EVEN, "2"),
    "opd": Look("#6b8e23", NEARLY_SOLID, "3"),
    "opsd": Look("#6b8e23", DASHDASHDOT, "4"),
    "prefix_rft": Look("#00508f", DOTTED, "D"),
    "trapo": Look("#9c3b12", SPARSE, ">"),
    "red_i": Look("#ee6a8d", DASHED, "v"),
    "red_ii": Look("#ee6a8d", DASHDOTDOT, "^"),
    "red": Look("#c1121f", SOLID, "X"),
}
_SPARE = tuple(zip((DASHED, DOTTED, DASHDOT) * 4, "osD^v<>PphHd", strict=True))


def look(run: Run) -> Look:
    """The fixed look of a named run, else that of its method, else grey."""
    return LOOKS.get(run.name) or LOOKS.get(run.method) or Look(GREY)


def looks(runs: Sequence[Run]) -> dict[str, Look]:
    """Looks for one figure: runs that would look alike get other dashes and markers, same colour.

    Named runs keep theirs; among more than a dozen runs of one colour, looks repeat.
    """
    chosen = {run.name: LOOKS[run.name] for run in runs if run.name in LOOKS}
    for run in runs:
        usual = look(run)
        taken = {each.marker for each in chosen.values() if each.color == usual.color}
        spare = ((dashes, marker) for dashes, marker in _SPARE if marker not in taken)
        free = Look(usual.color, *next(spare, _SPARE[0])) if usual.marker in taken else usual
        chosen.setdefault(run.name, free)
    return {run.name: chosen[run.name] for run in runs}


def luminance(color: str) -> float:
    """Relative luminance of a colour in [0, 1]; what is left of it in a grey print."""
    red, green, blue = matplotlib.colors.to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def title(text: str, scale: str) -> str:
    """Says in front what the numbers are of, `tiny scale` or somebody's study, wherever they are not at paper scale."""
    return {"paper": text, "tiny": f"[tiny scale] {text}"}.get(scale, f"[{scale}] {text}")


def canvas(rows: int, columns: int, height: float, **options: Any) -> tuple[Picture, np.ndarray]:
    """A picture of the paper's text width with axes[row, column]."""
    return plt.subplots(rows, columns, figsize=(FULL, height), squeeze=False, **options)


def legend_below(picture: Picture, axes: Iterable[Axes], columns: int = 4, order: Sequence[str] = ()) -> None:
    """One legend for all axes under the picture, each label once: in this order, else as the axes have them."""
    handles: dict[str, Artist] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    handles = {label: handles[label] for label in dict.fromkeys([*order, *handles]) if label in handles}
    if handles:
        count = min(columns, len(handles))
        picture.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=count)


def step_axis(axes: Axes, most: int = 5) -> None:
    """The x axis of curves: at most so many intervals, between round and whole steps."""
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(most, steps=(1, 2, 5, 10), integer=True))


def no_data(axes: Axes, why: str) -> None:
    """An empty panel says which run it lacks."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY, wrap=True)
