"""Premises on both sides of their thresholds, in tables made for one number each; and what claims make of them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from analysis.items import claims, premises
from analysis.measures.compare import Comparison, compare
from analysis.measures.evidence import Measurements, above_all, direction_below, drop_below, higher, trend
from analysis.measures.noise import CONTROLS
from analysis.measures.premises import PREMISES, Finding, Observed, failed, judge
from red.plumbing.storage import read_json
from red.study import config
from red.study.runs import run_spec
from red.tables.reader import Tables, from_frames, load, read_reported
from tests.fixtures import synthetic
from tests.project.test_glossary import tables as markdown_tables

ORIGIN = {"spec_hash": "a", "code": "b", "method": "x"}
SIX = ("aime24", "aime25", "amc", "math500", "minerva", "olympiad")
ACCURACY = {"base": 16, "grpo": 32, "sft": 36, "sft_dapo": 40, "sft_short": 32}
LENGTH = {"sft": 300, "grpo": 100}
STEPS = {"base": 0, "sft": 150, "sft_short": 75}
PROMPTS = 40
NAMES = [one.name for one in PREMISES]
SHARES = {"group_accuracy": 0.5, "equation_rollout": 0.7, "thinking_demonstration": 0.7}
PHASES = {
    ("grpo", "entropy_rollout"): 0.2,
    ("sft", "entropy_rollout"): 0.5,
    ("sft", "entropy_demonstration"): 0.5,
    ("sft", "thinking_rollout"): 0.5,
}


def entry(run: str, seed: int, done: bool = True, training: Mapping[str, int] | None = None) -> dict:
    prompts = 32 if run.startswith("sft_s") or run == "sft" else 8
    training = {"steps": STEPS.get(run, 300), "prompts_per_step": prompts, **(training or {})}
    method = {"sft_short": "sft", "sft_dapo": "dapo"}.get(run, run)
    spec = {"init_from": "sft" if run == "sft_dapo" else None, "training": training}
    items = ["entropy_phases"] if run in ("sft", "grpo") else []
    return {
        **{"run": run, "method": method, "seed": seed, "status": "done" if done else "missing"},
        **{"steps": training["steps"], "spec": spec, "items": items},
    }


def score_rows(run: str, seed: int, benchmark: str, percent: int, tokens: float) -> pd.DataFrame:
    """One problem, a hundred samples, so many of them right."""
    about = {"run": run, "seed": seed, "benchmark": benchmark, "group": "math", "metric": "avg_at_k", "problem": "p"}
    right = np.arange(100) < percent
    # A mean length of a fraction: as many longer answers as it takes.
    lengths = np.floor(tokens) + (np.arange(100) < round(100 * (tokens % 1)))
    return pd.DataFrame(
        about | {"sample": np.arange(100), "correct": right, "correct_lenient": right, "tokens": lengths}
    )


def probe_rows(probe: str, run: str, seed: int, step: int, quantity: str, values: Sequence[float]) -> pd.DataFrame:
    about = {"run": run, "seed": seed, "probe": probe, "step": step, "quantity": quantity}
    return pd.DataFrame(about | {"example": [f"d{i}" for i in range(len(values))], "value": values})


def make(
    reported,
    seeds: Mapping[str, Sequence[int]] | None = None,
    accuracy: Mapping[str, int | Callable[[int, str], int]] | None = None,
    length: Mapping[str, float] | None = None,
    never: int = 16,
    samples: int = 8,
    opener: float = 0.02,
    token: float = 0.6,
    tokens: int = 25,
    shares: Mapping[str, float] | None = None,
    ends: Mapping[tuple[str, str], float] | None = None,
    groups: Mapping[str, int] | None = None,
    without: Sequence[str] = (),
    benchmarks: Sequence[str] = SIX,
) -> Tables:
    """A world in which every premise holds, but for what is changed. `accuracy` in percent, of (seed, benchmark) where
    it is a function; `without` names runs and quantities of probes that are missing."""
    accuracy, length = ACCURACY | dict(accuracy or {}), LENGTH | dict(length or {})
    shares, ends = SHARES | dict(shares or {}), PHASES | dict(ends or {})
    of_run = {run: (seeds or {}).get(run, (0,)) for run in accuracy}
    changed = {"grpo": groups}
    entries = [entry(run, seed, run not in without, changed.get(run)) for run, own in of_run.items() for seed in own]
    scores, probes = [], []
    for run, own in of_run.items():
        for seed in () if run in without else own:
            for name in benchmarks:
                percent = accuracy[run]
                percent = percent(seed, name) if callable(percent) else percent
                scores.append(score_rows(run, seed, name, percent, length.get(run, 50)))
    for seed in of_run["base"]:
        solved = np.where(np.arange(PROMPTS) < never, 0, shares["group_accuracy"])
        of_prompt = {name: np.full(PROMPTS, value) for name, value in shares.items()} | {"group_accuracy": solved}
        of_prompt |= {"group_size": np.full(PROMPTS, samples), "length_rollout": np.full(PROMPTS, 10)}
        probes += [probe_rows("confidence", "base", seed, 0, name, list(of_prompt[name])) for name in of_prompt]
        for place in range(tokens):
            values = [opener if place == 0 else token] * PROMPTS
            probes.append(probe_rows("confidence", "base", seed, 0, "p_small", values).assign(position=place))
    for (run, quantity), last in ends.items():
        for seed in of_run[run]:
            probes += [
                probe_rows("entropy", run, seed, step, quantity, [value] * 3) for step, value in ((0, 1.0), (150, last))
            ]
    probes = [frame for frame in probes if not {frame["quantity"].iloc[0], frame["run"].iloc[0]} & set(without)]
    frames = [pd.concat(scores), pd.DataFrame(columns=["run", "seed", "step", "metric", "value"]), pd.concat(probes)]
    known = [one for one in synthetic.benchmarks() if one["benchmark"] in benchmarks]
    return from_frames(entries, known, *(frame.assign(**ORIGIN) for frame in frames), read_reported(reported))


def ahead(count: float) -> Callable[[int, str], int]:
    return lambda seed, name: 36 if SIX.index(name) < count else 30


# {premise: (what makes its number the given one, steps to both sides of a bound)}
SETTINGS: dict[str, tuple[Callable[[float], dict], float]] = {
    "P1": (lambda v: {"accuracy": {"base": int(v)}}, 1),
    "P2": (lambda v: {"never": round(PROMPTS * v / 100)}, 2.5),
    "P3": (lambda v: {"accuracy": {"grpo": 30, "sft": int(30 + v)}}, 1),
    "P4": (lambda v: {"accuracy": {"sft": 30, "grpo": 34, "sft_dapo": int(34 + v)}}, 1),
    "P5": (lambda v: {"length": {"sft": 100 * v, "grpo": 100}}, 0.1),
    "P6": (lambda v: {"accuracy": {"base": 16, "grpo": int(16 + v)}}, 1),
    "P7a": (lambda v: {"ends": {("grpo", "entropy_rollout"): 1 - v / 100}}, 1),
    "P7b": (lambda v: {"ends": {("sft", "entropy_rollout"): 1 - v / 100}}, 1),
    "P7c": (lambda v: {"ends": {("sft", "entropy_demonstration"): 1 - v / 100}}, 1),
    "P8": (lambda v: {"accuracy": {"base": 16, "sft": 36, "sft_short": round(16 + v / 5)}}, 5),
    "P9": (lambda v: {"shares": {"equation_rollout": v / 100}}, 1),
    "P10": (lambda v: {"tokens": round(10 * v)}, 0.1),
    "P11": (lambda v: {"opener": v}, 0.001),
    "P12": (lambda v: {"opener": v, "token": v}, 0.01),
    "P13a": (lambda v: {"shares": {"thinking_demonstration": v / 100}}, 1),
    "P13b": (lambda v: {"ends": {("sft", "thinking_rollout"): v / 100}}, 1),
    "P14": (lambda v: {"accuracy": {"sft": ahead(v), "grpo": 32}}, 1),
}
BOUNDS = [
    (one.name, bound, inward)
    for one in PREMISES
    for bound, inward in ((one.low, 1), (one.high, -1), (one.above, 1))
    if bound is not None
]


def judged(tables: Tables) -> dict[str, Finding]:
    return {one.premise.name: one for one in judge(tables)}


def alone(tables: Tables, name: str) -> Finding:
    """One premise without the others, which take longer."""
    (premise,) = (one for one in PREMISES if one.name == name)
    return Finding(premise, premise.measure(Observed(tables)).dropna(), np.nan)


def test_in_the_world_that_was_made_for_them_all_hold(reported):
    assert {name: one.holds for name, one in judged(make(reported)).items()} == dict.fromkeys(NAMES, True)


@pytest.mark.parametrize(("name", "bound", "inward"), BOUNDS)
def test_a_premise_holds_on_one_side_of_its_bound_and_fails_on_the_other(name, bound, inward, reported):
    setting, step = SETTINGS[name]
    for side, holds in ((inward, True), (-inward, False)):
        found = alone(make(reported, **setting(bound + side * step)), name)
        assert found.value == pytest.approx(bound + side * step)
        assert found.holds is holds


@pytest.mark.parametrize("premise", PREMISES, ids=NAMES)
def test_a_bound_belongs_to_the_range_unless_the_number_has_to_be_above_it(premise):
    assert all(premise.met_by(bound) for bound in (premise.low, premise.high) if bound is not None)
    assert premise.above is None or not premise.met_by(premise.above)


@pytest.mark.parametrize(
    ("absent", "names"),
    [
        ("base", {"P1", "P2", "P6", "P8", "P9", "P10", "P11", "P12", "P13a"}),
        ("grpo", {"P3", "P4", "P5", "P6", "P7a", "P14"}),
        ("sft_dapo", {"P4"}),
        ("sft_short", {"P8"}),
        ("group_size", {"P2"}),
        ("length_rollout", {"P10"}),
        ("equation_rollout", {"P9"}),
        ("p_small", {"P10", "P11", "P12"}),
        ("thinking_demonstration", {"P13a"}),
        ("thinking_rollout", {"P13b"}),
        ("entropy_demonstration", {"P7c"}),
    ],
)
def test_what_is_missing_is_not_measured_and_the_rest_stays(absent, names, reported):
    findings = judged(make(reported, without=[absent]))
    assert {name for name, one in findings.items() if one.holds is None} == names
    assert not failed([*findings.values()], [name.rstrip("abc") for name in NAMES])


def test_the_table_says_what_is_not_measured(reported):
    table = premises.build(make(reported, without=["p_small"]))
    silent = {row.label.split()[0] for row in table.rows if row.cells[-1].text == "not measured"}
    assert silent == {"P10", "P11", "P12"}
    assert "measurement of P10, P11, P12." in table.caption


def test_with_other_benchmarks_or_other_rollouts_the_premises_on_them_are_not_measured(reported):
    five = judged(make(reported, benchmarks=SIX[:5]))
    assert {name for name, one in five.items() if one.holds is None} == {"P1", "P3", "P4", "P5", "P6", "P8", "P14"}
    assert judged(make(reported, samples=4))["P2"].holds is None


def test_a_base_of_its_own_is_compared_seed_by_seed_and_a_single_base_is_everybodys(reported):
    every = dict.fromkeys(ACCURACY, (0, 1, 2))
    rises = {"grpo": lambda seed, name: 30 + 4 * seed, "base": lambda seed, name: 20 - seed}
    own = judged(make(reported, seeds=every, accuracy=rises))
    assert own["P6"].by_seed.to_dict() == pytest.approx({0: 10, 1: 15, 2: 20})
    assert own["P1"].by_seed.to_dict() == pytest.approx({0: 20, 1: 19, 2: 18})
    shared = judged(make(reported, seeds=every | {"base": (0,)}, accuracy=rises))
    assert shared["P6"].by_seed.to_dict() == pytest.approx({0: 10, 1: 14, 2: 18})
    assert shared["P1"].by_seed.to_dict() == pytest.approx({0: 20})


def test_the_mean_over_seeds_decides_and_the_interval_begins_with_three(reported):
    """P1 is 12 to 25; t(0.975, 2) = 4.303 and the deviation of 8, 12, 16 is 4."""
    bases = {"base": lambda seed, name: 8 + 4 * seed}
    three = judged(make(reported, seeds={"base": (0, 1, 2)}, accuracy=bases))["P1"]
    assert (three.holds, three.seeds_that_hold) == (True, 2)
    assert three.interval == pytest.approx((12 - 4.3027 * 4 / 3**0.5, 12 + 4.3027 * 4 / 3**0.5), abs=1e-3)
    two = judged(make(reported, seeds={"base": (0, 1)}, accuracy=bases))["P1"]
    assert (two.holds, two.seeds_that_hold) == (False, 1) and np.isnan(two.interval).all()


def test_the_short_sft_is_the_one_with_a_hybrids_number_of_demonstrations(reported):
    assert judged(make(reported, groups={"steps": 75, "prompts_per_step": 32}))["P8"].value == pytest.approx(80)
    assert judged(make(reported, groups={"steps": 600, "prompts_per_step": 8}))["P8"].value == pytest.approx(100)  # SFT
    assert judged(make(reported, groups={"steps": 301, "prompts_per_step": 8}))["P8"].holds is None


def test_a_run_of_a_hybrid_method_changes_no_premise(study, collected, reported, tmp_path):
    """Answers and probes of all other runs are taken away."""
    for path in collected.glob("*.parquet"):
        frame = pd.read_parquet(path)
        frame[frame["run"].isin([*ACCURACY])].to_parquet(tmp_path / path.name, index=False)
    runs = [run for run in read_json(collected / "runs.json") if run["run"] in ACCURACY]
    (tmp_path / "runs.json").write_text(json.dumps(runs))
    (tmp_path / "benchmarks.json").write_bytes((collected / "benchmarks.json").read_bytes())
    whole, part = judge(study), judge(load(tmp_path, reported))
    assert [one.value for one in whole] == pytest.approx([one.value for one in part], nan_ok=True)


@pytest.mark.parametrize("overlay", [None, "paper"])
def test_the_shipped_short_sft_sees_as_many_demonstrations_as_a_hybrid(overlay, repository):
    files = [repository / "config" / f"{name}.yaml" for name in ("default", overlay) if name]
    document = config.load(*files)
    seen = {}
    for name in ("sft_short", "red", "mix_policy", "luffy"):
        run = run_spec(document, name, 0)
        seen[name] = run.training.steps * run.training.prompts_per_step
        assert run.build_method().mix.demonstrations == 1
    assert len(set(seen.values())) == 1


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(repository):
    return markdown_tables((repository / "docs" / "premises.md").read_text(encoding="utf-8"))


def test_statements_thresholds_and_the_papers_numbers_are_those_of_the_page(page, reported):
    shown = [[row.label, row.cells[0].text, row.cells[1].text] for row in premises.build(make(reported)).rows]
    assert [[f"{name} {statement}", *cells] for name, statement, *cells in page["Premises"]] == shown


def test_the_page_says_why_for_every_premise(repository):
    text = (repository / "docs" / "premises.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \*\*(P\d+)\*\*", text, re.MULTILINE) == list(dict.fromkeys(one.number for one in PREMISES))


def test_claims_and_what_they_need_are_those_of_the_page(page):
    of_code = [[claim.statement, claim.where, claim.needed] for claim in claims.CLAIMS]
    assert page["Which claims need which"] == of_code
    assert {name for claim in claims.CLAIMS for name in claim.needs} == {one.number for one in PREMISES}
    assert all(claim.needs for claim in claims.CLAIMS)


# --- claims ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("P7c", -5), ("P10", 5.0)])
def test_a_premise_that_fails_makes_what_needs_it_untestable_and_nothing_else(name, value, reported):
    changed = make(reported, **SETTINGS[name][0](value))
    assert [one for one, found in judged(changed).items() if found.holds is False] == [name]
    verdicts = claims.build(changed).numbers.set_index("claim")
    for claim in claims.CLAIMS:
        row = verdicts.loc[claim.statement]
        untestable = name.rstrip("abc") in claim.needs
        assert (row["verdict"] == "not testable here") is untestable
        assert (f"{name} fails" in row["found"]) is untestable


def test_a_premise_that_was_not_measured_stops_no_claim(reported):
    verdicts = claims.build(make(reported, without=["base"])).numbers["verdict"]
    assert "not testable here" not in set(verdicts)


def test_wall_clock_is_told_and_not_judged(study):
    (claim,) = (one for one in claims.CLAIMS if one.statement == "RL after distillation makes rollouts faster")
    found, timed = claim.test(Measurements(study)), trend(study, "sft_dapo", "time/rollout_s", -1, relative=True)
    assert timed.verdict == "shown"  # what it would be
    assert (found.verdict, found.p, found.text) == ("not judged", None, timed.text)


def controls(seeds: int, margin: float) -> Comparison:
    """RED above each control by `margin` on every one of 40 problems."""
    random = np.random.default_rng(0)
    right = random.uniform(0.3, 0.6, 40)
    rows = [
        {
            "run": run,
            "seed": seed,
            "benchmark": "math500",
            "problem": str(p),
            "accuracy": value + margin * (run == "red"),
        }
        for run in ("red", *CONTROLS)
        for seed in range(seeds)
        for p, value in enumerate(right)
    ]
    return compare(pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("seeds", "margin", "expected"),
    [
        (3, 0.1, "shown"),
        (2, 0.1, "direction only"),
        (1, 0.1, "direction only"),
        (2, -0.1, "not shown"),
        (3, -0.1, "opposite"),
    ],
)
def test_w_is_judged_from_three_seeds_on(seeds, margin, expected):
    found = above_all(controls(seeds, margin), "red", CONTROLS, ["math500"])
    judged = direction_below(found, seeds, claims.SEEDS_OF_W)
    assert judged.verdict == expected and (judged.p is None) is (seeds < 3)


def test_what_a_claim_needs_are_the_runs_that_are_not_there():
    there = controls(3, 0.1)
    alone = Comparison({key: scores for key, scores in there.matrices.items() if key[0] == "red"}, ())
    assert above_all(alone, "red", CONTROLS, ["math500"]).text == f"needs {', '.join(CONTROLS)}"
    assert drop_below(alone, "red_noisy_labels", "red", ["math500"], 2.0).text == "needs red_noisy_labels"


def test_the_detectable_difference_is_that_of_the_paired_test():
    """One seed, n problems: 2.8 times the deviation of the paired differences over the root of n, in points."""
    random = np.random.default_rng(1)
    first, second = random.random((2, 60))
    rows = [("a", first), ("b", second)]
    frame = pd.concat(
        pd.DataFrame({"run": run, "seed": 0, "benchmark": "x", "problem": range(60), "accuracy": values})
        for run, values in rows
    )
    found = higher(compare(frame), "a", "b", ["x"])
    assert found.detectable == pytest.approx(280 * (first - second).std() / 60**0.5, rel=0.03)
