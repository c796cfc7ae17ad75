"""The paper's claims at this scale.

Each qualitative claim, the premises that it needs, what was measured here, its p-value, seeds and power, and whether
it shows. Not adjusted over the claims.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from analysis.measures.compare import ALPHA, original
from analysis.measures.confidence import slope
from analysis.measures.entropy import phases_of
from analysis.measures.evidence import (
    POWER,
    Evidence,
    Measurements,
    above_all,
    absent,
    direction_below,
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
from analysis.measures.premises import Finding, failed, judge
from analysis.measures.responses import read_responses
from analysis.output.item import Cell, Row, Table
from analysis.parts.account import account_of
from analysis.parts.style import title
from red.tables.reader import Tables

BASELINES = ("sft", "grpo", "sft_dapo", "mix_policy", "luffy", "srft", "relift", "bread")
ABLATIONS = ("red_clip_0_g", "red_clip_1_inf", "red_window5", "red_window10")
TWO = ("math500", "aime25")
MARGIN = 2.0  # points: a drop the paper would call small (its largest is 1.3)
SEEDS_OF_W = 3  # fewer say nothing of a factor that is drawn anew at every step

# Premises by what a claim presupposes (docs/premises.md).
RL = ("P1", "P6", "P9")  # a weak base that RL can improve, because it works things out
MIXTURE = ("P1", "P2", "P3", "P6", "P8", "P9")  # and demonstrations that hold what it lacks, and that it can take up
SHIFT = ("P11", "P12")  # demonstrations that are improbable enough for an offline policy to matter
W = ("P7",)  # entropies that move, since w is made of their changes
DISTILLED = ("P5", "P6")  # long responses to start from, and RL that learns

Test = Callable[[Measurements], Evidence]

# When a claim is shown, as its row says it: the effect, and how clear it has to be.
ABOVE, BELOW = f"above 0, p < {ALPHA:g}", f"below 0, p < {ALPHA:g}"
ABOVE_EACH = f"above each, p < {ALPHA:g}"
WITHIN_MARGIN = f"interval above −{MARGIN:g}"


@dataclass(frozen=True)
class Claim:
    """One statement, where the paper makes it, the premises without which it cannot be tested, and how it is tested.

    `threshold`: when the test says `shown`.
    """

    where: str
    statement: str
    needs: tuple[str, ...]
    test: Test
    threshold: str = ABOVE

    @property
    def needed(self) -> str:
        """`P1, P11`, in order of the numbers."""
        return ", ".join(sorted(self.needs, key=lambda name: int(name[1:])))


def build(tables: Tables) -> Table:
    """One row per claim with verdict, finding, p-value and seeds."""
    data = Measurements(tables)
    premises = judge(tables)
    findings = [(claim, _testable(claim.test(data), failed(premises, claim.needs))) for claim in CLAIMS]
    rows = tuple(Row(claim.statement, _cells(claim, evidence)) for claim, evidence in findings)
    numbers = pd.DataFrame(
        [
            {"claim": claim.statement, "where": claim.where, "needs": claim.needed, "threshold": claim.threshold}
            | asdict(evidence)
            for claim, evidence in findings
        ]
    ).rename(columns={"text": "found"})
    runs = [run for run in tables.of_item("claims") or tables.runs if run.seeds or run.missing_seeds]
    counts = numbers["verdict"].value_counts()
    account = account_of(tables, runs, "Accuracies and lengths: paired bootstrap over problems and seeds.")
    return Table(
        title=title("The paper's claims at this scale", tables.scale),
        caption=f"Of {len(CLAIMS)} claims: {', '.join(f'{n} {name}' for name, n in counts.items())}. Shown: "
        f"the effect has the claimed sign and p < {ALPHA:g} (not adjusted over the claims); opposite: the "
        f"other sign and as clear; direction only: the claimed sign from one seed, for w from fewer than {SEEDS_OF_W}, "
        "no test; not testable here: a premise that it needs fails (Premises of the paper's question); not judged: "
        "wall-clock. Trends during training compare the last tenth of the steps with the first, one value per seed, "
        "t-test. Probes: bootstrap over prompts, demonstrations or problems. Detectable: the smallest true difference "
        f"that such a test finds in 80 % of studies, {POWER:g} standard errors of the paired bootstrap, in the unit of "
        f"the effect (one seed: without the variation of training). {account.text()}",
        stub="Claim",
        columns=("Where", "Needs", "Verdict", "Measured", "Shown if", "p", "Detectable", "Seeds"),
        rows=rows,
        numbers=numbers,
        layout="p{5cm}lp{1.6cm}p{1.8cm}p{6.5cm}p{2.4cm}ccc",
        facts=account.facts() | {"verdicts": {name: int(n) for name, n in counts.items()}},
    )


def _testable(found: Evidence, broken: Sequence[Finding]) -> Evidence:
    """The evidence as it is, or without a verdict where the world lacks what the claim presupposes."""
    if not broken:
        return found
    reasons = [f"{one.premise.name} fails: {one.value:.3g}, not {one.premise.threshold}" for one in broken]
    return replace(found, verdict="not testable here", text="; ".join([*reasons, found.text]))


def _cells(claim: Claim, found: Evidence) -> tuple[Cell, ...]:
    detectable = "–" if found.detectable is None else f"{found.detectable:.2g}"
    texts = (claim.where, claim.needed, found.verdict, found.text, claim.threshold)
    return tuple(map(Cell, (*texts, _p(found.p), detectable, found.seeds or "–")))


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _after_distillation(metric: str, sign: int, relative: bool = True) -> Test:
    """Trend in the RL run that starts from the SFT checkpoint: SFT+DAPO, or SFT+GRPO without it."""

    def test(data: Measurements) -> Evidence:
        runs = ("sft_dapo", "sft_grpo")
        trends = [trend(data.tables, run, metric, sign, relative=relative) for run in runs]
        return next((one for one in trends if one.verdict != "not measured"), trends[-1])

    return test


def _wall_clock(test: Test) -> Test:
    """What was measured, without a verdict: time is the machine's."""

    def told(data: Measurements) -> Evidence:
        found = test(data)
        return found if found.verdict == "not measured" else replace(found, verdict="not judged", p=None)

    return told


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
    """The share of entropy changes below two standard errors is below a half: one value per seed, t-test."""
    shares = below_two_errors(entropy_changes(data.tables, data.tables.named("red")[0]))
    if shares.empty:
        return absent("entropy standard errors of red")
    values = shares.groupby("seed")["value"].mean()
    share, seeds = float(values.mean()), len(values)
    p = float(ttest_1samp(values, 0.5).pvalue) if seeds >= SEEDS_OF_W and values.std() > 0 else None
    text = f"{100 * share:.0f} % of entropy changes are below two standard errors"
    return Evidence(verdict(0.5 - share, p, 1), text, p, str(seeds), 0.5 - share)


def _w_beats_controls(data: Measurements) -> Evidence:
    """RED is above each of the three controls of w; only where all have the seeds."""
    red = original(data.tables, "red", CONTROLS[0])
    seeds = min(data.accuracy.seeds(run, data.math) for run in (red, *CONTROLS))
    return direction_below(above_all(data.accuracy, red, CONTROLS, data.math), seeds, SEEDS_OF_W)


def _clip_is_best(data: Measurements) -> Evidence:
    return above_all(data.accuracy, original(data.tables, "red", ABLATIONS[0]), ABLATIONS, TWO)


def _costs_little(corrupted: str) -> Test:
    """RED on corrupted demonstrations against RED on clean ones."""

    def test(data: Measurements) -> Evidence:
        return drop_below(data.accuracy, corrupted, original(data.tables, "red", corrupted), TWO, MARGIN)

    return test


def _costs_less_than_mix_policy(data: Measurements) -> Evidence:
    names = ("red_noisy_labels", "mix_policy_noisy_labels")
    red, mix_policy = (original(data.tables, name.removesuffix("_noisy_labels"), name) for name in names)
    return drops_less(data.accuracy, names[0], red, names[1], mix_policy, TWO)


CLAIMS = (
    Claim(
        "Fig. 1",
        "RL after distillation shortens responses",
        DISTILLED,
        _after_distillation("length/rollout", -1),
        BELOW,
    ),
    Claim(
        "Fig. 1",
        "RL after distillation makes rollouts faster",
        DISTILLED,
        _wall_clock(_after_distillation("time/rollout_s", -1)),
        BELOW,
    ),
    Claim(
        "Fig. 1",
        "RL after distillation removes over-thinking words",
        (*DISTILLED, "P13"),
        _after_distillation("words/overthink_per_1k", -1),
        BELOW,
    ),
    Claim(
        "Fig. 1",
        "accuracy rises in RL after distillation",
        RL,
        _after_distillation("accuracy/rollout", 1, relative=False),
    ),
    Claim("Table 1", "RL lowers entropy on rollouts", RL, _phase_of("grpo", 0, "entropy_rollout", -1), BELOW),
    Claim(
        "Table 1",
        "SFT from base lowers entropy on rollouts",
        ("P12",),
        _phase_of("sft", 0, "entropy_rollout", -1),
        BELOW,
    ),
    Claim(
        "Table 1",
        "SFT from base lowers entropy on demonstrations",
        ("P12",),
        _phase_of("sft", 0, "entropy_demonstration", -1),
        BELOW,
    ),
    Claim("Sec. 4.2", "SFT after RL raises entropy on rollouts", W, _phase_of("sft", -1, "entropy_rollout", 1)),
    Claim(
        "Fig. 2",
        "RED lowers entropy on demonstrations",
        (*W, "P12"),
        lambda d: trend(d.tables, "red", "entropy/demonstration", -1, " nats"),
        BELOW,
    ),
    Claim("Table 2", "SFT is above pure RL", (*RL, "P14"), lambda d: higher(d.accuracy, "sft", "grpo", d.math)),
    Claim(
        "Table 2",
        "unified is above stage-wise",
        MIXTURE,
        lambda d: groups_differ(d.accuracy, ("luffy", "srft"), ("relift", "bread"), d.math),
    ),
    Claim(
        "Table 2",
        "RED is above all baselines",
        (*MIXTURE, "P4", "P14"),
        lambda d: above_all(d.accuracy, "red", BASELINES, d.math),
        ABOVE_EACH,
    ),
    Claim(
        "Table 2", "RED is above SFT+DAPO", (*MIXTURE, "P4"), lambda d: higher(d.accuracy, "red", "sft_dapo", d.math)
    ),
    Claim(
        "Table 2",
        "component I helps MixPolicy",
        (*MIXTURE, *W),
        lambda d: higher(d.accuracy, "red_i", "mix_policy", d.math),
    ),
    Claim(
        "Table 2",
        "component II helps MixPolicy",
        (*MIXTURE, *SHIFT),
        lambda d: higher(d.accuracy, "red_ii", "mix_policy", d.math),
    ),
    Claim(
        "Table 2",
        "both components are above each alone",
        (*MIXTURE, *W, *SHIFT),
        lambda d: above_all(d.accuracy, "red", ("red_i", "red_ii"), d.math),
        ABOVE_EACH,
    ),
    Claim(
        "Table 2",
        "RED's answers are shorter than SFT's",
        ("P5", "P10"),
        lambda d: higher(d.length, "red", "sft", d.math, sign=-1, unit=" tokens"),
        BELOW,
    ),
    Claim(
        "Table 3",
        "RED is best out of domain",
        MIXTURE,
        lambda d: above_all(d.accuracy, "red", ("luffy", "srft", "relift"), d.tables.group("out_of_domain")),
        ABOVE_EACH,
    ),
    Claim("Table 4", "clip (1, G) with window 1 is best", (*MIXTURE, *W), _clip_is_best, ABOVE_EACH),
    Claim(
        "Table 5",
        f"noisy labels cost RED less than {MARGIN:g} points",
        ("P3", "P8"),
        _costs_little("red_noisy_labels"),
        WITHIN_MARGIN,
    ),
    Claim(
        "Table 5",
        f"adversarial chains cost RED less than {MARGIN:g} points",
        ("P3", "P8"),
        _costs_little("red_adversarial_chains"),
        WITHIN_MARGIN,
    ),
    Claim("Table 5", "noisy labels cost RED less than MixPolicy", ("P3", "P8"), _costs_less_than_mix_policy),
    Claim(
        "Fig. 5", "the small model's confidence rises with its accuracy", ("P2", "P12"), _confidence_slope("small", 1)
    ),
    Claim("Fig. 5", "the large model is more confident", ("P12",), _large_above_small),
    Claim("Fig. 5", "the gap closes with accuracy", ("P2", "P12"), _confidence_slope("gap", -1), BELOW),
    Claim(
        "Fig. 6", "RED's offline policy is nearer to the large model than LUFFY's", ("P2", "P12"), _red_estimate, BELOW
    ),
    Claim("Fig. 7", "GRPO makes thinking words less likely", ("P13",), _thinking_words("grpo", -1), BELOW),
    Claim("Fig. 7", "RED makes thinking words more likely", ("P13",), _thinking_words("red", 1)),
    Claim("Fig. 9", "demonstrations leave the clipping range more often", SHIFT, _out_of_range),
    Claim(
        "Fig. 10",
        "offline policy 1 lowers entropy on rollouts",
        (*W, "P11"),
        lambda d: trend(d.tables, "mix_policy", "entropy/rollout", -1, " nats"),
        BELOW,
    ),
    Claim(
        "Fig. 10",
        "the shift is above offline policy 1",
        (*MIXTURE, *SHIFT),
        lambda d: higher(d.accuracy, "red_ii", "mix_policy", d.math),
    ),
    Claim(
        "Fig. 10",
        "the shift is above the policy itself",
        (*MIXTURE, *SHIFT),
        lambda d: higher(d.accuracy, "red_ii", "offline_self", d.math),
    ),
    Claim("ours", "RED is above SFT→RL", (*MIXTURE, "P4"), lambda d: higher(d.accuracy, "red", "sft_rl", d.math)),
    Claim("ours", "w is above its noise (changes beyond 2 s.e. on most steps)", W, _w_is_signal),
    Claim("ours", "w is better than its controls", (*MIXTURE, *W), _w_beats_controls, ABOVE_EACH),
)
