"""What items compute: propositions, costs, noise of w, corruptions, confidence, claims."""

import numpy as np
import pandas as pd
import pytest

from analysis.measures.coefficients import entropy_change, luffy, phi, rl_plus, shift_ratio, trust
from analysis.measures.corruptions import corruptions
from analysis.measures.evidence import trend, verdict
from analysis.measures.noise import below_two_errors, entropy_changes, noise_weights
from analysis.measures.spending import spending
from red.golden.kappa import kappas
from red.tables.reader import Run, from_frames

ORIGIN = {"spec_hash": "a", "code": "b", "method": "x"}


def tables_with(dynamics: list[tuple], runs: list[dict]):
    """dynamics: (run, seed, step, metric, value)."""
    frame = pd.DataFrame(dynamics, columns=["run", "seed", "step", "metric", "value"]).assign(**ORIGIN)
    empty = pd.DataFrame(columns=["run", "seed", "step", "probe", "quantity", "value"])
    return from_frames(runs, [], empty, frame, empty, pd.DataFrame())


def entry(run: str, init_from: str | None = None, seed: int = 0) -> dict:
    spec = {"init_from": init_from}
    return {"run": run, "method": run, "seed": seed, "status": "done", "steps": 2, "spec": spec}


def test_entropy_falls_when_the_likely_outcome_is_reinforced():
    pair = np.array([0.9, 0.1])
    assert entropy_change(pair, 0) == pytest.approx(-0.03559503815284678)
    assert entropy_change(pair, 1) == pytest.approx(0.03559503815284678)


def test_entropy_change_agrees_with_a_small_step():
    logits = np.array([0.3, -1.2, 0.9])
    p = np.exp(logits) / np.exp(logits).sum()
    step = 1e-6 * p[2] * (np.eye(3)[2] - p)  # gradient of the probability of outcome 2
    q = np.exp(logits + step) / np.exp(logits + step).sum()
    slope = (-(q * np.log(q)).sum() + (p * np.log(p)).sum()) / 1e-6
    assert entropy_change(p, 2) == pytest.approx(slope, rel=1e-4)


def test_coefficients_match_the_golden_table():
    assert shift_ratio(np.float64(0.171), 0.125) == pytest.approx(0.6226672735548475)
    assert luffy(np.float64(0.1)) == pytest.approx(0.25)


@pytest.mark.parametrize("pi", [0.003, 0.09, 0.11, 0.46, 0.87, 1.0])
def test_the_drawn_coefficients_are_those_of_the_losses(pi):
    drawn = {"shape_0.1": luffy, "trsft_0.1": trust, "phi": phi, "rlplus": rl_plus}
    drawn |= {"shift_0.125": lambda at: shift_ratio(at, 0.125), "dft": lambda at: at, "sft": np.ones_like}
    found = kappas(pi)
    assert {name: curve(np.float64(pi)) for name, curve in drawn.items()} == pytest.approx(
        {name: found[name] for name in drawn}
    )


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("1.1, as printed", "yes, vacuous"),
        ("1.1, tight", "yes"),
        ("1.1, from below", "yes"),
        ("1.2", "only for β > 0"),
        ("1.3", "no"),
        ("2", "yes, up to w·Â"),
        ("3", "premise fails"),
    ],
)
def test_propositions_come_out_as_the_algebra_says(build, name, holds):
    numbers = build("propositions").numbers.set_index("proposition")
    assert numbers.loc[name, "holds"] == holds


def test_the_advantage_of_a_demonstration_falls_with_accuracy(build):
    found = build("propositions").numbers.set_index("proposition").loc["3", "result"]
    assert "from 2.47 (none right) to 0.00 (all right)" in found


def test_a_child_pays_for_its_parent_up_to_the_snapshot():
    rows = [("sft", 0, step, "tokens/trained_total", 100.0 * (step + 1)) for step in (0, 1, 2)]
    rows += [("grpo", 0, step, "tokens/trained_total", 10.0 * (step + 1)) for step in (0, 1)]
    rows += [("grpo", 0, step, "time/step_s", 1.5) for step in (0, 1)]
    rows += [("sft", 0, step, "time/step_s", 1.0) for step in (0, 1, 2)]
    tables = tables_with(rows, [entry("sft"), entry("grpo", "sft@2")])
    spent = spending(tables, tables.runs).set_index(["run", "quantity"])["value"]
    assert spent["sft", "trained"] == 300
    assert spent["grpo", "trained"] == 20 + 200
    assert spent["grpo", "step_s"] == 3.0 + 2.0


def test_a_child_without_its_parents_log_has_no_cost():
    rows = [("grpo", 0, 1, "tokens/trained_total", 10.0)]
    tables = tables_with(rows, [entry("grpo", "sft")])
    assert spending(tables, tables.runs).empty


def test_entropy_changes_carry_both_standard_errors():
    values = {"entropy/rollout": (1.0, 0.88), "entropy/rollout_se": (0.03, 0.04)}
    rows = [("red", 0, step, name, value) for name, pair in values.items() for step, value in enumerate(pair)]
    tables = tables_with(rows, [entry("red")])
    changes = entropy_changes(tables, tables.runs[0])
    assert changes["change"].tolist() == [pytest.approx(0.12)]
    assert changes["error"].tolist() == [pytest.approx(0.05)]
    assert below_two_errors(changes)["value"].tolist() == [0.0]  # 0.12 is not below 2 x 0.05


def test_pure_noise_gives_the_distribution_of_the_quotient():
    # sqrt(7) |Z1/Z2|: P(w = 1) = 0.23, P(w = 8) = 0.20, median 2.65, mean 3.70.
    w = noise_weights(7)
    assert (w == 1).mean() == pytest.approx(0.23, abs=0.01)
    assert (w == 8).mean() == pytest.approx(0.21, abs=0.015)
    assert np.median(w) == pytest.approx(2.65, abs=0.03)
    assert w.mean() == pytest.approx(3.70, abs=0.03)


def test_corruptions_are_read_from_run_names():
    names = ["red", "red_noisy_labels", "mix_policy_adversarial_chains_q05", "red_window5"]
    found = [(c.parent, c.kind, c.rate) for c in corruptions(Run(name, name, "red") for name in names)]
    assert found == [
        ("red", "clean", 0),
        ("red", "noisy_labels", 20),
        ("mix_policy", "adversarial_chains", 5),
        ("red_window5", "clean", 0),
    ]


def test_confidence_is_binned_by_group_accuracy(build):
    numbers = build("confidence_by_accuracy").numbers
    assert set(numbers["group_accuracy"]) == {k / 8 for k in range(9)}
    assert numbers.query("quantity == 'small'")["demonstrations"].sum() == 90
    assert (numbers["low"] <= numbers["mean"]).all()


def test_the_offline_policy_is_one_where_all_rollouts_are_right(build):
    red = build("offline_policy").numbers.query("quantity == 'red'").set_index("group_accuracy")["mean"]
    small = build("offline_policy").numbers.query("quantity == 'small'").set_index("group_accuracy")["mean"]
    assert red[1.0] == pytest.approx(1.0)
    assert red[0.0] == pytest.approx(small[0.0])


@pytest.mark.parametrize(
    ("effect", "p", "sign", "expected"),
    [
        (1.0, 0.01, 1, "shown"),
        (1.0, 0.2, 1, "not shown"),
        (-1.0, 0.01, 1, "opposite"),
        (-1.0, 0.01, -1, "shown"),
        (1.0, None, 1, "direction only"),
        (-1.0, None, 1, "not shown"),
    ],
)
def test_verdicts(effect, p, sign, expected):
    assert verdict(effect, p, sign) == expected


def test_a_trend_of_one_seed_gives_the_direction_only():
    rows = [("red", 0, step, "length/rollout", 10.0 - step) for step in range(5)]
    found = trend(tables_with(rows, [entry("red")]), "red", "length/rollout", -1)
    assert (found.verdict, found.p, found.effect) == ("direction only", None, -4.0)


def test_a_claim_without_its_runs_is_not_measured():
    assert trend(tables_with([], []), "red", "length/rollout", -1).verdict == "not measured"


def test_claims_reach_the_verdicts_the_invented_study_was_made_for(build):
    verdicts = build("claims").numbers.set_index("claim")["verdict"]
    assert verdicts["RL after distillation shortens responses"] == "shown"
    assert verdicts["SFT after RL raises entropy on rollouts"] == "opposite"
    assert verdicts["w is above its noise (changes beyond 2 s.e. on most steps)"] == "not shown"
    assert (
        "not run: red_w_scrambled"
        in build("claims").numbers.set_index("claim").loc["w is better than its controls", "found"]
    )


def test_table_1_puts_checkpoints_beside_the_papers_in_order(build):
    numbers = build("entropy_phases").numbers
    pairs = dict(zip(numbers["run"], numbers["reported_row"], strict=True))
    assert pairs["grpo_sft_early"] == "grpo_sft_early"
    assert pairs["sft_grpo"] == "grpo_sft_late"  # GRPO from the final SFT checkpoint
    assert pairs["sft_grpo_middle"] == "sft_grpo_middle"
    assert pairs["sft"] == "sft"
    assert [row.label for row in build("entropy_phases").rows][4:] == ["Base", "RL-10", "RL-20", "RL-40"]


def test_the_rate_sweep_starts_at_the_clean_run(build):
    numbers = build("corruption_rates").numbers
    rates = numbers.query("parent == 'red' and kind == 'noisy_labels' and benchmark == 'math500'")["rate"]
    assert rates.tolist() == [0, 5, 10, 20, 40]


def test_paired_tests_report_adjusted_p_values(build):
    numbers = build("paired_tests").numbers.query("column == 'overall'").dropna(subset=["p"])
    assert (numbers["p_holm"] >= numbers["p"]).all()
    assert "red" not in set(numbers["run"])
