"""The paper's claims at this scale.

Each qualitative claim, what was measured here, its p-value and seeds, and whether it shows. Not adjusted over the
claims.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from analysis.measures.compare import ALPHA
from analysis.measures.confidence import slope
from analysis.measures.entropy import phases_of
from analysis.measures.evidence import (
    Evidence,
    Measurements,
    above_all,
    absent,
    drop_below,
    drops_less,
    groups_differ,
    higher,
    of_units,
    phase,
    trend,
    verdict,
)
from analysis.measures.noise import CONTROLS, below_two_errors, entropy_changes
from analysis.measures.responses import read_responses
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.style import title
from red.tables.reader import Tables

BASELINES = ("sft", "grpo", "sft_dapo", "mix_policy", "luffy", "srft", "relift", "bread")
ABLATIONS = ("red_clip_0_g", "red_clip_1_inf", "red_window5", "red_window10")
TWO = ("math500", "aime25")
MARGIN = 2.0  # points: a drop the paper would call small (its largest is 1.3)


Test = Callable[[Measurements], Evidence]


@dataclass(frozen=True)
class Claim:
    """One statement, where the paper makes it, and how it is tested."""

    where: str
    statement: str
    test: Test


def build(tables: Tables) -> Table:
    """One row per claim with verdict, finding, p-value and seeds."""
    data = Measurements(tables)
    findings = [(claim, claim.test(data)) for claim in CLAIMS]
    rows = tuple(
        Row(claim.statement, tuple(map(Cell, (claim.where, e.verdict, e.text, _p(e.p), e.seeds or "–"))))
        for claim, e in findings
    )
    numbers = pd.DataFrame([{"claim": claim.statement, "where": claim.where, **asdict(e)} for claim, e in findings])
    numbers = numbers.rename(columns={"text": "found"})
    runs = [run for run in tables.of_item("claims") or tables.runs if run.seeds or run.missing_seeds]
    counts = numbers["verdict"].value_counts()
    account = account_of(tables, runs, "Accuracies and lengths: paired bootstrap over problems and seeds.")
    return Table(
        title=title("The paper's claims at this scale", tables.scale),
        caption=f"Of {len(CLAIMS)} claims: {', '.join(f'{n} {name}' for name, n in counts.items())}. Shown: "
        f"the effect has the claimed sign and p < {ALPHA:g} (not adjusted over the claims); opposite: the "
        "other sign and as clear; direction only: one seed, no test. Trends during training compare the last "
        "tenth of the steps with the first, one value per seed, t-test. Probes: bootstrap over prompts, "
        f"demonstrations or problems. {account.text()}",
        stub="Claim",
        columns=("Where", "Verdict", "Measured", "p", "Seeds"),
        rows=rows,
        numbers=numbers,
        layout="p{5cm}lp{1.8cm}p{7.5cm}cc",
        facts=account.facts() | {"verdicts": {name: int(n) for name, n in counts.items()}},
    )


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _after_distillation(metric: str, sign: int, relative: bool = True) -> Test:
    """Trend in the RL run that starts from the SFT checkpoint: SFT+DAPO, or SFT+GRPO without it."""

    def test(data: Measurements) -> Evidence:
        runs = ("sft_dapo", "sft_grpo")
        trends = [trend(data.tables, run, metric, sign, relative=relative) for run in runs]
        return next((one for one in trends if one.verdict != "not measured"), trends[-1])

    return test


def _phase_of(kind: str, place: int, quantity: str, sign: int) -> Test:
    """A row of Table 1: `place` 0 starts from the base model, -1 from the latest checkpoint."""

    def test(data: Measurements) -> Evidence:
        known = {run.name: run for run in data.tables.runs}
        phases = phases_of(data.tables.of_item("entropy_phases"), known)
        phases = [one for one in phases if one.kind == kind and (one.run.parent is None) == (place == 0)]
        if not phases:
            return absent(f"{kind} runs of Table 1")
        return phase(data, phases[place].run.name, quantity, sign)

    return test


def _confidence_slope(quantity: str, sign: int) -> Test:
    def test(data: Measurements) -> Evidence:
        frame = data.demonstrations.assign(gap=lambda f: f["large"] - f["small"])
        if frame[["accuracy", quantity]].dropna()["accuracy"].nunique() < 2:
            return absent("the confidence probe")
        draws = slope(frame, quantity)
        p = min(1.0, 2 * (min((draws <= 0).sum(), (draws >= 0).sum()) + 1) / (len(draws) + 1))
        low, high = np.quantile(draws, [0.025, 0.975])
        name = {"small": "small model", "gap": "gap large − small"}[quantity]
        text = f"{name}: slope {draws.mean():+.3f} [{low:+.3f}, {high:+.3f}] per unit of accuracy"
        outcome = verdict(draws.mean(), p, sign)
        return Evidence(outcome, text, float(p), "", float(draws.mean()), float(low), float(high))

    return test


def _large_above_small(data: Measurements) -> Evidence:
    frame = data.demonstrations.dropna(subset=["small", "large"])
    if len(frame) < 2:
        return absent("the confidence probe")
    text = f"large {frame['large'].mean():.3f}, small {frame['small'].mean():.3f}"
    return of_units(frame["large"] - frame["small"], 1, text)


def _red_estimate(data: Measurements) -> Evidence:
    if "error_red" not in data.demonstrations or data.demonstrations["error_red"].notna().sum() < 2:
        return absent("the confidence probe of the large model")
    frame = data.demonstrations.dropna(subset=["error_red"])
    nearest = min(("luffy_one", "luffy_shape"), key=lambda name: frame[f"error_{name}"].mean())
    errors = ", ".join(f"{n} {frame[f'error_{n}'].mean():.3f}" for n in ("red", "luffy_one", "luffy_shape", "small"))
    return of_units(frame["error_red"] - frame[f"error_{nearest}"], -1, f"mean token error: {errors}")


def _thinking_words(run: str, sign: int) -> Test:
    def test(data: Measurements) -> Evidence:
        responses = [r for r in read_responses(data.tables, data.tables.named(run)) if "base" in r.references]
        changes = [r.change("base")[r.thinking].mean() for r in responses if r.thinking.any()]
        if not responses:
            return absent(f"token probe of {run}")
        if len(changes) < 2:
            text = f"{len(changes)} of {len(responses)} answers of {run} hold a thinking word"
            return Evidence("not measured", text)
        return of_units(np.array(changes), sign, f"mean change of thinking words {np.mean(changes):+.3f} against base")

    return test


def _out_of_range(data: Measurements) -> Evidence:
    names = ("ratio/out_of_range_rollout", "ratio/out_of_range_demonstration")
    logged = data.tables.dynamics(data.tables.named("mix_policy_4updates"), names)
    if set(logged["metric"]) != set(names):
        return absent("mix_policy_4updates")
    means = logged.groupby(["seed", "metric"])["value"].mean().unstack()
    on, off = means[names[0]], means[names[1]]
    text = f"demonstrations {100 * off.mean():.1f} %, rollouts {100 * on.mean():.1f} % of tokens"
    if len(means) < 2:
        return Evidence("direction only" if off.mean() > on.mean() else "not shown", text, None, "1")
    return of_units(off - on, 1, text, str(len(means)))


def _w_is_signal(data: Measurements) -> Evidence:
    shares = below_two_errors(entropy_changes(data.tables, data.tables.named("red")[0]))
    if shares.empty:
        return absent("entropy standard errors of red")
    share = shares["value"].mean()
    text = f"{100 * share:.0f} % of entropy changes are below two standard errors"
    return Evidence("shown" if share < 0.5 else "not shown", text, None, str(shares["seed"].nunique()), share)


CLAIMS = (
    Claim("Fig. 1", "RL after distillation shortens responses", _after_distillation("length/rollout", -1)),
    Claim("Fig. 1", "and makes rollouts faster", _after_distillation("time/rollout_s", -1)),
    Claim("Fig. 1", "and removes over-thinking words", _after_distillation("words/overthink_per_1k", -1)),
    Claim("Fig. 1", "while accuracy rises", _after_distillation("accuracy/rollout", 1, relative=False)),
    Claim("Table 1", "RL lowers entropy on rollouts", _phase_of("grpo", 0, "entropy_rollout", -1)),
    Claim("Table 1", "SFT from base lowers entropy on rollouts", _phase_of("sft", 0, "entropy_rollout", -1)),
    Claim(
        "Table 1", "SFT from base lowers entropy on demonstrations", _phase_of("sft", 0, "entropy_demonstration", -1)
    ),
    Claim("Sec. 4.2", "SFT after RL raises entropy on rollouts", _phase_of("sft", -1, "entropy_rollout", 1)),
    Claim(
        "Fig. 2",
        "RED lowers entropy on demonstrations",
        lambda d: trend(d.tables, "red", "entropy/demonstration", -1, " nats"),
    ),
    Claim("Table 2", "SFT is above pure RL", lambda d: higher(d.accuracy, "sft", "grpo", d.math)),
    Claim(
        "Table 2",
        "unified is above stage-wise",
        lambda d: groups_differ(d.accuracy, ("luffy", "srft"), ("relift", "bread"), d.math),
    ),
    Claim("Table 2", "RED is above all baselines", lambda d: above_all(d.accuracy, "red", BASELINES, d.math)),
    Claim("Table 2", "RED is above SFT+DAPO", lambda d: higher(d.accuracy, "red", "sft_dapo", d.math)),
    Claim("Table 2", "component I helps MixPolicy", lambda d: higher(d.accuracy, "red_i", "mix_policy", d.math)),
    Claim("Table 2", "component II helps MixPolicy", lambda d: higher(d.accuracy, "red_ii", "mix_policy", d.math)),
    Claim(
        "Table 2",
        "both components are above each alone",
        lambda d: above_all(d.accuracy, "red", ("red_i", "red_ii"), d.math),
    ),
    Claim(
        "Table 2",
        "RED's answers are shorter than SFT's",
        lambda d: higher(d.length, "red", "sft", d.math, sign=-1, unit=" tokens"),
    ),
    Claim(
        "Table 3",
        "RED is best out of domain",
        lambda d: above_all(d.accuracy, "red", ("luffy", "srft", "relift"), d.tables.group("out_of_domain")),
    ),
    Claim("Table 4", "clip (1, G) with window 1 is best", lambda d: above_all(d.accuracy, "red", ABLATIONS, TWO)),
    Claim(
        "Table 5",
        f"noisy labels cost RED less than {MARGIN:g} points",
        lambda d: drop_below(d.accuracy, "red_noisy_labels", "red", TWO, MARGIN),
    ),
    Claim(
        "Table 5",
        f"adversarial chains cost RED less than {MARGIN:g} points",
        lambda d: drop_below(d.accuracy, "red_adversarial_chains", "red", TWO, MARGIN),
    ),
    Claim(
        "Table 5",
        "noisy labels cost RED less than MixPolicy",
        lambda d: drops_less(d.accuracy, "red_noisy_labels", "red", "mix_policy_noisy_labels", "mix_policy", TWO),
    ),
    Claim("Fig. 5", "the small model's confidence rises with its accuracy", _confidence_slope("small", 1)),
    Claim("Fig. 5", "the large model is more confident", _large_above_small),
    Claim("Fig. 5", "the gap closes with accuracy", _confidence_slope("gap", -1)),
    Claim("Fig. 6", "RED's offline policy is nearer to the large model than LUFFY's", _red_estimate),
    Claim("Fig. 7", "GRPO makes thinking words less likely", _thinking_words("grpo", -1)),
    Claim("Fig. 7", "RED does not: thinking words get more likely", _thinking_words("red", 1)),
    Claim("Fig. 9", "demonstrations leave the clipping range more often", _out_of_range),
    Claim(
        "Fig. 10",
        "offline policy 1 lowers entropy on rollouts",
        lambda d: trend(d.tables, "mix_policy", "entropy/rollout", -1, " nats"),
    ),
    Claim(
        "Fig. 10", "the shift is above offline policy 1", lambda d: higher(d.accuracy, "red_ii", "mix_policy", d.math)
    ),
    Claim(
        "Fig. 10",
        "the shift is above the policy itself",
        lambda d: higher(d.accuracy, "red_ii", "offline_self", d.math),
    ),
    Claim("ours", "w is above its noise (changes beyond 2 s.e. on most steps)", _w_is_signal),
    Claim("ours", "w is better than its controls", lambda d: above_all(d.accuracy, "red", CONTROLS, d.math)),
)
