"""Two runs on the same problems: a paired test, the ends of their curves, and the answers that flipped.

`evaluated` reads the collected tables; `compare` and `markdown` are pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from red.errors import DataError
from red.statistics.intervals import adjust, paired_difference

if TYPE_CHECKING:
    import pandas as pd

SEED = 20_250_501
CURVES = ("accuracy/rollout", "length/rollout", "entropy/rollout", "entropy/demonstration", "red/w", "loss/total")
FLIPPED = 0.5  # of a problem's mean accuracy


@dataclass(frozen=True)
class Tested:
    """First minus second on one benchmark, or on the unweighted mean of a group of them; shares."""

    benchmark: str
    problems: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float | None


@dataclass(frozen=True)
class Curve:
    """A metric of training: means over seeds of the first and last tenth of the steps, None if not logged."""

    metric: str
    first: tuple[float, float] | None
    second: tuple[float, float] | None


@dataclass(frozen=True)
class Flip:
    """A problem on which the runs disagree by half or more; accuracies are means over seeds and samples."""

    benchmark: str
    problem: str
    first: float
    second: float


@dataclass(frozen=True)
class Compared:
    """Everything that `red compare` says."""

    names: tuple[str, str]
    seeds: tuple[int, int]
    tests: tuple[Tested, ...]
    curves: tuple[Curve, ...]
    flips: tuple[Flip, ...]

    def document(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


def evaluated(results: Path, names: Sequence[str]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Scores (per run, seed, benchmark, group, problem) and training metrics of two runs.

    DataError names a run that has no answers, and those that have.
    """
    import pandas as pd
    import pyarrow as pa

    folder = results / "collected"
    try:
        scores = pd.read_parquet(folder / "scores.parquet")
        dynamics = pd.read_parquet(folder / "dynamics.parquet", filters=[("run", "in", list(names))])
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{folder}: no collected tables ({error}); run snakemake, or --results DIR") from None
    for name in names:
        if name not in set(scores["run"]):
            known = ", ".join(sorted(set(scores["run"]))) or "none"
            raise DataError(f"run {name!r} has no answers in {folder}; those that have: {known}")
    keys = ["run", "seed", "benchmark", "group", "problem"]
    scores = scores[scores["run"].isin(names)].astype({"correct": float})
    return scores.groupby(keys, as_index=False)["correct"].mean(), dynamics


def compare(names: tuple[str, str], scores: "pd.DataFrame", dynamics: "pd.DataFrame") -> Compared:
    """Test, curves and flips, on the problems that both answered; Holm adjusts over the benchmarks."""
    import numpy as np

    wide = scores.pivot(index=["group", "benchmark", "problem"], columns=["run", "seed"], values="correct")
    first, second = ([c for c in wide.columns if c[0] == name] for name in names)
    wide = wide[[*dict.fromkeys([*first, *second])]].dropna()
    if wide.empty:
        raise DataError(f"{names[0]} and {names[1]} have no problem in common")
    strata = {
        key: tuple(part[columns].to_numpy().T for columns in (first, second))
        for key, part in wide.groupby(level=["group", "benchmark"], sort=False)
    }

    def tested(title: str, parts: Sequence[tuple[Any, Any]]) -> Tested:
        one, two = [a for a, _ in parts], [b for _, b in parts]
        found = paired_difference(one, two, np.random.default_rng(SEED))
        ours, theirs = (float(np.mean([a.mean() for a in side])) for side in (one, two))
        count = sum(a.shape[1] for a in one)
        return Tested(title, count, ours, theirs, found.mean, found.low, found.high, found.p, None)

    each = [tested(benchmark, [parts]) for (_, benchmark), parts in strata.items()]
    adjusted = adjust([test.p for test in each])
    each = [Tested(**asdict(test) | {"p_adjusted": float(p)}) for test, p in zip(each, adjusted, strict=True)]
    groups = dict.fromkeys(group for group, _ in strata)
    members = {group: [parts for (own, _), parts in strata.items() if own == group] for group in groups}
    overall = [tested(f"mean of {group}", parts) for group, parts in members.items()]
    means = [wide[columns].mean(axis=1) for columns in (first, second)]
    flips = [
        Flip(benchmark, problem, float(a), float(b))
        for (_, benchmark, problem), a, b in zip(wide.index, *means, strict=True)
        if abs(a - b) >= FLIPPED
    ]
    flips.sort(key=lambda flip: (-abs(flip.first - flip.second), flip.benchmark, flip.problem))
    seeds = (len(first), len(second))
    return Compared(names, seeds, (*overall, *each), curves(names, dynamics), tuple(flips))


def curves(names: tuple[str, str], dynamics: "pd.DataFrame") -> tuple[Curve, ...]:
    """Begin and end of every metric of CURVES that at least one of the runs logged."""
    found = []
    for metric in CURVES:
        ends = [_ends(dynamics[(dynamics["run"] == name) & (dynamics["metric"] == metric)]) for name in names]
        if any(ends):
            found.append(Curve(metric, *ends))
    return tuple(found)


def markdown(found: Compared, examples: int, texts: Mapping[tuple[str, str], str]) -> str:
    """Three tables; `texts` gives the question of (benchmark, problem)."""
    one, two = found.names
    about = "Accuracy in percent, difference in points, 95 % intervals and p by the paired bootstrap"
    lines = [f"# {one} against {two}", ""]
    lines += [f"Seeds: {found.seeds[0]} and {found.seeds[1]}. {about}; Holm over the benchmarks.", ""]
    lines += [f"| benchmark | problems | {one} | {two} | difference | p | Holm |", "|---|" + ":-:|" * 6]
    lines += ["| " + " | ".join(tested_cells(test)) + " |" for test in found.tests]
    if found.curves:
        lines += ["", f"| training metric | {one} | {two} |", "|---|:-:|:-:|"]
        lines += ["| " + " | ".join(curve_cells(curve)) + " |" for curve in found.curves]
    better = sum(flip.first > flip.second for flip in found.flips)
    count = f"{better} for {one}, {len(found.flips) - better} for {two}"
    lines += ["", f"{len(found.flips)} problems flipped: {count}."]
    for flip in found.flips[:examples]:
        text = " ".join(texts.get((flip.benchmark, flip.problem), "").split())[:200]
        shares = f"{100 * flip.first:.0f} against {100 * flip.second:.0f}"
        lines.append(f"- {flip.benchmark} `{flip.problem}`: {shares}. {text}")
    return "\n".join(lines) + "\n"


def tested_cells(test: Tested) -> list[str]:
    """A line of the first table."""
    interval = f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
    adjusted = "" if test.p_adjusted is None else f"{test.p_adjusted:.4f}"
    means = (f"{100 * test.first:.1f}", f"{100 * test.second:.1f}")
    return [test.benchmark, str(test.problems), *means, interval, f"{test.p:.4f}", adjusted]


def curve_cells(curve: Curve) -> list[str]:
    """A line of the second table: begin → end of each run."""
    ends = (curve.first, curve.second)
    return [curve.metric, *(f"{e[0]:.3g} → {e[1]:.3g}" if e else "not logged" for e in ends)]


def _ends(rows: "pd.DataFrame") -> tuple[float, float] | None:
    if rows.empty:
        return None
    length = max(1, (rows["step"].max() - rows["step"].min() + 1) // 10)
    early = rows[rows["step"] < rows["step"].min() + length]["value"].mean()
    return float(early), float(rows[rows["step"] > rows["step"].max() - length]["value"].mean())
