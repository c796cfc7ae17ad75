"""The study that a sweep is."""

from pathlib import Path

import pytest

from red.errors import ConfigError
from red.study import config, jobs
from red.study.runs import entry, parent_of, run_spec
from red.study.sweep import REASON, candidate

SHIPPED = Path("config/sweep.yaml")


@pytest.fixture(scope="module")
def tiny(repository):
    return config.read_yaml(repository / "config" / "default.yaml")


@pytest.fixture(scope="module")
def shipped(repository):
    return config.load(repository / "config" / "default.yaml", repository / SHIPPED)


def sweep(tiny, runs, **changes):
    section = {"grid": [1e-3, 5e-4], "seeds": [3, 4], "questions": 7, "samples": 2, "runs": runs}
    document = config.select({**tiny, "sweep": section, **changes})
    config.check(document)
    jobs.check(document)
    return document


def without(spec, *keys):
    return {key: value for key, value in spec.items() if key not in ("run", "seed", *keys)}


def test_a_candidate_is_its_original_at_another_rate(tiny):
    document = sweep(tiny, ["sft", "red"])
    for run in ("sft", "red"):
        original = jobs.training_spec(run_spec(config.select(tiny), run, 0))
        for rate in (1e-3, 5e-4):
            spec = jobs.training_spec(run_spec(document, candidate(run, rate), 3))
            assert spec["training"] == {**original["training"], "lr": rate}
            assert without(spec, "training", "snapshots") == without(original, "training", "snapshots")


def test_every_method_of_the_sweep_is_tried_at_the_same_rates_with_the_same_seeds(shipped):
    tried = {}
    for run, seed in jobs.trained(shipped):
        spec = run_spec(shipped, run, seed)
        if spec.rate_of:
            tried.setdefault(spec.rate_of, set()).add((spec.training.lr, seed))
    grid = {(rate, seed) for rate in shipped["sweep"]["grid"] for seed in shipped["sweep"]["seeds"]}
    assert set(tried) == set(shipped["sweep"]["runs"])
    assert all(found == grid for found in tried.values())


def test_the_shipped_sweep_has_every_ranked_run_of_the_main_table_and_no_other(tiny, shipped):
    study = config.select(tiny)
    ranked = [
        run
        for run in study["runs"]
        if "main_results" in entry(study, run).get("items", ()) and entry(study, run)["row_group"] != "ablation"
    ]
    # RED with another aggregation has RED's rate, SFT on other demonstrations SFT's.
    assert set(ranked) - set(shipped["sweep"]["runs"]) == {"red_eq12", "redistilled"}
    assert set(shipped["sweep"]["runs"]) <= set(ranked)


def test_a_two_stage_run_starts_from_the_configured_run(tiny):
    document = sweep(tiny, ["sft", "sft_dapo"])
    assert parent_of(run_spec(document, candidate("sft_dapo", 5e-4), 3).init_from) == ("sft", None)
    assert ("sft", 3) in jobs.trained(document) and run_spec(document, "sft", 3).rate_of == ""


def test_it_is_judged_on_questions_that_follow_the_training_prompts(tiny):
    document = sweep(tiny, ["grpo"])
    assert list(document["benchmarks"]) == ["validation"] and jobs.probed(document) == []
    prompts = tiny["data"]["prompts"]
    spec = jobs.problems_spec(document, "validation")
    assert {**prompts, "skip": prompts["count"], "count": 7}.items() <= spec["prompts"].items()
    assert "prompts" not in jobs.generation_spec(document)["benchmarks"]["validation"]


def test_only_narrows_it(tiny):
    document = sweep(tiny, ["sft", "grpo", "red"], only=["sft", "hpt"])
    assert [run for run in document["runs"]] == [candidate("sft", 1e-3), candidate("sft", 5e-4)]


def test_a_chosen_rate_reaches_its_run_and_all_that_are_like_it_and_says_why(tiny):
    document = config.select({**tiny, "rates": {"sft": 5e-4, "red": 4e-3}})
    specs = {
        run: run_spec(document, run, 0) for run in ("sft", "sft_short", "red", "red_window5", "red_w_constant", "grpo")
    }
    rates = {run: spec.training.lr for run, spec in specs.items()}
    assert rates.pop("grpo") == tiny["common"]["lr"] and set(rates.values()) == {5e-4, 4e-3}
    assert rates["sft_short"] == 5e-4 and rates["red_window5"] == rates["red_w_constant"] == 4e-3
    assert (
        entry(document, "sft")["because"].startswith("about 3 epochs") and entry(document, "red")["because"] == REASON
    )


def test_a_rate_of_its_own_stays_and_an_overlay_can_take_the_others_away(tiny):
    own = {**tiny["runs"], "red": {**tiny["runs"]["red"], "lr": 3e-3, "because": "mine"}}
    assert entry(config.select({**tiny, "runs": own, "rates": {"red": 1e-3}}), "red")["lr"] == 3e-3
    for none in (None, {}, {"red": None}):
        assert "lr" not in entry(config.select({**tiny, "rates": none}), "red")
    with pytest.raises(ConfigError, match="rates: no run named 'rde'"):
        config.select({**tiny, "rates": {"rde": 1e-3}})


@pytest.mark.parametrize("name", ["paper", "pilot", "rehearsal", "worlds/first"])
def test_no_other_study_takes_a_rate_of_the_tiny_world(repository, name):
    """Rates are chosen in one world, at one scale."""
    folder = repository / "config"
    overlays = [folder / f"{one}.yaml" for one in (["paper", name] if name in ("pilot", "rehearsal") else [name])]
    document = config.load(folder / "default.yaml", *overlays)
    assert not any(REASON in entry(document, run).get("because", "") for run in document["runs"])


def test_a_rate_that_was_chosen_once_is_swept_again_like_any_other(tiny):
    line = sweep(tiny, ["sft"])["runs"][candidate("sft", 5e-4)]
    assert line["because"].endswith(f"; {REASON} over 0.0005, 0.001") and "3 epochs" in line["because"]
    again = sweep({**tiny, "rates": {"sft": 2e-3}}, ["sft"])["runs"]
    assert again[candidate("sft", 5e-4)] == line


@pytest.mark.parametrize(
    ("runs", "changes", "message"),
    [
        (["rde"], {}, "sweep.runs: no run named 'rde'"),
        (["red_w_constant"], {}, "sweep.runs: red_w_constant reads w from red"),
        (["red"], {"only": ["grpo"]}, "only: none of these is among sweep.runs"),
        ([], {}, "sweep.runs"),
        (["red", "red"], {}, "sweep.runs"),
    ],
)
def test_a_slip_is_named(tiny, runs, changes, message):
    with pytest.raises(ConfigError, match=message):
        sweep(tiny, runs, **changes)


def test_a_data_set_that_is_all_trained_on_has_nothing_to_hold_out(repository, tiny):
    document = config.overlaid(tiny, config.read_yaml(repository / "config" / "paper.yaml"))
    with pytest.raises(ConfigError, match=r"data\.prompts\.limit"):
        sweep(document, ["grpo"])
    held_out = sweep(config.overlaid(document, {"data": {"prompts": {"limit": 100}}}), ["grpo"])
    spec = jobs.problems_spec(held_out, "validation")["prompts"]
    assert (spec["skip"], spec["limit"]) == (100, 7)


@pytest.mark.parametrize(("rate", "name"), [(2.5e-4, "red_lr_0_00025"), (2e-6, "red_lr_0_000002"), (1, "red_lr_1")])
def test_names_of_candidates(rate, name):
    assert candidate("red", rate) == name
