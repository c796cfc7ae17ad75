"""What the folder of items tells without importing them."""

import pytest

from analysis.listing import Listed, builder, listing
from red.errors import ConfigError

ITEMS = listing()


def test_every_table_and_figure_of_the_paper_is_there_once():
    numbers = sorted(about.heading.partition(":")[0] for about in ITEMS.values() if about.is_of_the_paper)
    assert numbers == sorted([f"Table {n}" for n in range(1, 6)] + [f"Figure {n}" for n in range(1, 11)])


def test_a_table_of_the_paper_builds_a_table():
    assert all(about.heading.startswith(about.kind.title()) for about in ITEMS.values() if about.is_of_the_paper)
    assert {about.kind for about in ITEMS.values()} == {"table", "figure"}


def test_what_has_no_number_of_the_paper_is_ours():
    ours = {name for name, about in ITEMS.items() if not about.is_of_the_paper}
    diagnostics = {"propositions", "paired_tests", "cost", "weight_noise", "gradient_conflict"}
    diagnostics |= {"reported_vs_measured", "claims", "ablations", "corruption_rates"}
    diagnostics |= {"budgets", "sweep", "sensitivity", "methods", "forgetting", "rotation"}
    assert ours == diagnostics | {"at_a_glance", "overview", "premises"}


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_every_item_has_a_heading_and_a_text_for_the_report(name):
    about = ITEMS[name]
    assert 10 < len(about.heading) < 70 and not about.heading.endswith(".")
    assert len(about.text) > 60


def test_a_heading_without_a_number_is_not_of_the_paper():
    assert Listed("table", "Table 12: x", "").is_of_the_paper
    assert not Listed("figure", "Beside Table 5: x", "").is_of_the_paper


def test_an_unknown_item_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'main_results'"):
        builder("main_result")
