"""Rates and choices from the collected tables, and the overlay that `red sweep` prints."""

import pytest
import yaml

from red.tables.sweep import choices, fragment
from tests.fixtures import sweep


def test_the_chosen_rates_are_an_overlay():
    found = choices(sweep.tables({"sft": {5e-4: [40, 50], 1e-3: [60, 40]}, "red": {5e-4: [70, 70], 1e-3: [60, 90]}}))
    assert yaml.safe_load(fragment(found)) == {"rates": {"sft": 1e-3, "red": 1e-3}}
    assert found[0].accuracies == {5e-4: [0.4, 0.5], 1e-3: [0.6, 0.4]}
    assert [choice.label for choice in found] == ["SFT", "RED"]


def test_a_rate_that_lacks_a_seed_is_not_chosen_and_one_run_without_any_gets_a_comment():
    rates = {"grpo": {5e-4: [40, 40], 1e-3: [90, None]}, "srft": {5e-4: [None, None], 1e-3: [None, 50]}}
    text = fragment(choices(sweep.tables(rates)))
    assert yaml.safe_load(text)["rates"] == {"grpo": 5e-4}
    assert "# srft: no rate has an accuracy of every seed" in text


def test_where_nothing_can_be_chosen_it_is_an_overlay_all_the_same():
    """Snakemake refuses a configuration without a key."""
    text = fragment(choices(sweep.tables({"grpo": {5e-4: [None], 1e-3: [None]}})))
    assert yaml.safe_load(text) == {"rates": {}} and text.startswith("# grpo: no rate")


@pytest.mark.parametrize(("best", "named"), [(5e-4, True), (1e-3, False), (2e-3, True)])
def test_a_rate_at_the_edge_of_the_grid_is_named(best, named):
    rates = {rate: [80 if rate == best else 20] for rate in (5e-4, 1e-3, 2e-3)}
    assert ("# red: at the edge" in fragment(choices(sweep.tables({"red": rates})))) == named


@pytest.mark.parametrize(("parents_rate", "stale"), [(1e-3, False), (5e-4, True)])
def test_a_run_whose_parent_has_another_rate_than_the_chosen_one_gets_none(parents_rate, stale):
    rates = {"sft": {5e-4: [30], 1e-3: [50]}, "sft_dapo": {5e-4: [60], 1e-3: [40]}}
    text = fragment(choices(sweep.tables(rates, {"sft_dapo": ("sft", parents_rate)})))
    assert ("sft_dapo" in yaml.safe_load(text)["rates"]) is not stale
    assert ("starts from sft at 0.0005, but 0.001 was chosen" in text) is stale


def test_runs_that_try_no_rate_are_no_part_of_a_sweep(study):
    assert choices(study) == []
