"""An ablation that is shorter than the main runs is compared with an original of its own length, everywhere."""

import pandas as pd
import pytest

from analysis.listing import builder
from analysis.measures.compare import full_name, original
from analysis.parts.style import plt
from red.tables.reader import Tables, from_frames, read_reported
from tests.fixtures import synthetic

# Share of right answers: a short run would stand far below the long ones, and stands beside the short.
LONG, SHORT = {"red": 0.8, "mix_policy": 0.8}, {"red_short": 0.4, "mix_policy_short": 0.4}
ITEMS = {"red_short": ["robustness", "hyperparameters"], "mix_policy_short": ["robustness"]}
CONTROLS = ("red_w_constant", "red_w_resampled", "red_w_scrambled")
CORRUPTED = ("red_noisy_labels", "red_adversarial_chains", "mix_policy_noisy_labels", "mix_policy_adversarial_chains")
CLIPS = ("red_clip_0_g", "red_clip_1_inf", "red_window5", "red_window10")
ABLATIONS = dict.fromkeys((*CONTROLS, *CORRUPTED, *CLIPS), 0.4)
SEEDS, PROBLEMS = (0, 1, 2), 10
BENCHMARKS = [one["benchmark"] for one in synthetic.benchmarks() if one["group"] == "math"]


@pytest.fixture(scope="module")
def tables(reported) -> Tables:
    shares = LONG | SHORT | ABLATIONS
    rows = [
        {"run": run, "seed": seed, "benchmark": benchmark, "problem": f"p{i}", "correct": (i + seed) % 10 < 10 * share}
        for run, share in shares.items()
        for seed in SEEDS
        for benchmark in BENCHMARKS
        for i in range(PROBLEMS)
    ]
    scores = pd.DataFrame(rows).assign(
        group="math", metric="pass_at_1", sample=0, correct_lenient=True, reason="", tokens=10, truncated=False
    )
    dynamics = pd.DataFrame({"run": ["red"], "seed": 0, "step": 1, "metric": "red/w", "value": 1.0})
    probes = pd.DataFrame(columns=["run", "seed", "probe", "step", "example", "position", "token", "quantity", "value"])
    items = {run: ["robustness"] for run in CORRUPTED} | {run: ["hyperparameters"] for run in CLIPS} | ITEMS
    runs = [
        {
            "run": run,
            "method": "red",
            "seed": seed,
            "status": "done",
            "label": run,
            "scale": "paper",
            "row_group": "ablation",
            "items": items.get(run, []),
            "steps": 500 if run in LONG else 200,
            "spec": {},
        }
        for run in shares
        for seed in SEEDS
    ]
    origin = {"spec_hash": "a", "code": "b", "method": "red"}
    frames = (frame.assign(**origin) for frame in (scores, dynamics, probes))
    return from_frames(runs, list(synthetic.benchmarks()), *frames, read_reported(reported))


def test_the_original_has_the_steps_of_what_is_beside_it(tables):
    assert original(tables, "red", "red_w_constant") == "red_short"
    assert original(tables, "red", "mix_policy") == "red"
    assert original(tables, "red", "no_such_run") == "red"
    assert original(tables, "luffy", "red_w_constant") == "luffy"
    assert [full_name(run) for run in tables.named("red_short", "red")] == ["red", "red"]


def test_claims_compare_runs_of_equal_steps(tables):
    numbers = builder("claims")(tables).numbers.set_index("claim")
    for claim in numbers.index[numbers["where"].isin(["Table 4", "Table 5"])]:
        assert numbers.loc[claim, "effect"] == pytest.approx(0), claim
    assert numbers.loc["w is better than its controls", "effect"] == pytest.approx(0)


def test_table_5_stands_on_the_clean_run_of_equal_steps_beside_the_papers_number(tables):
    item = builder("robustness")(tables)
    assert [row.group for row in item.rows] == ["red_short"] * 2 + ["mix_policy_short"] * 2
    clean, noisy, change, *_ = item.rows[0].cells
    assert clean.text.startswith("40.0") and noisy.text.startswith("40.0") and clean.reported == "80.8"
    assert "200 steps" in item.caption and "500 steps" not in item.caption


def test_table_4_stands_on_the_run_of_equal_steps_beside_the_papers_number(tables):
    numbers = builder("hyperparameters")(tables).numbers.query("column == 'math500' and metric == 'accuracy'")
    assert set(numbers["steps"]) == {200}
    assert numbers.set_index("run").loc["red_short", "reported"] == 80.8


def test_the_sweep_of_rates_and_the_controls_of_w_start_at_the_run_of_equal_steps(tables):
    rates = builder("corruption_rates")(tables).numbers
    assert {run for run, rate in zip(rates["run"], rates["rate"], strict=True) if rate == 0} == set(SHORT)
    controls = builder("weight_noise")(tables).numbers.query("panel == 'c'")
    assert controls["run"].tolist() == ["red_short", *CONTROLS]
    plt.close("all")
