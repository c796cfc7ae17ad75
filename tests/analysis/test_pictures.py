"""What a first reader could not read in the figures of the paper, figure by figure."""

import numpy as np
import pytest


def test_figure_3_has_a_title(build):
    assert build("pipeline").picture.texts[0].get_text() == "One training step of RED"


def test_figure_5_says_how_many_demonstrations_each_group_has(build):
    where = build("confidence_by_accuracy").picture.axes[0]
    counts = [label.get_text().split("\n") for label in where.get_xticklabels()]
    assert len(counts) > 2 and all(len(lines) == 2 and int(lines[1]) > 0 for lines in counts)
    assert "below: demonstrations" in where.get_xlabel()


def test_figure_6_says_which_estimate_is_no_probability(build):
    picture = build("offline_policy").picture
    labels = [text.get_text() for text in picture.legends[0].get_texts()]
    assert "LUFFY: π + 0.1 (may exceed 1)" in labels
    where = picture.axes[0]
    assert where.get_ylim()[1] >= max(np.nanmax(line.get_ydata()) for line in where.lines)


def test_figure_7_has_the_problem_its_answer_and_each_verdict(build):
    picture = build("token_probabilities").picture
    _, problem, question = picture.texts[0].get_text().split("\n")
    assert problem.startswith("Problem ") and "; answer " in problem and question.startswith("What is ")
    verdicts = [where.get_title(loc="left") for where in picture.axes if "base model" in where.get_title(loc="left")]
    assert len([title for title in verdicts if ", right;" in title or ", wrong;" in title]) == len(verdicts) - 1 > 1


def test_every_line_of_a_legend_of_figure_7_has_a_point(build):
    words = [where for where in build("token_probabilities").picture.axes if "words" in where.get_title(loc="left")]
    assert words
    for where in words:
        for handle, label in zip(*where.get_legend_handles_labels(), strict=True):
            drawn = handle.lines[0] if hasattr(handle, "lines") else handle
            assert np.isfinite(np.asarray(drawn.get_ydata(), dtype=float)).any(), label


def test_figure_9_is_as_high_as_its_data(build):
    where = build("out_of_range").picture.axes[0]
    highest = max(np.nanmax(line.get_ydata()) for line in where.lines)
    assert highest <= where.get_ylim()[1] < 1.3 * highest


def test_costs_are_on_a_logarithmic_axis(build):
    """Most runs lie within a factor of two of each other."""
    assert {where.get_xscale() for where in build("cost").picture.axes} == {"log"}


def test_each_run_has_its_own_panel_of_the_gradients(build):
    axes = build("gradient_conflict").picture.axes
    panels = [where for where in axes if where.get_title(loc="left").startswith("(a)")]
    assert len({where.get_title(loc="left") for where in panels}) == len(panels) > 2
    assert len({where.get_ylim() for where in panels}) == 1


def test_a_legend_has_the_order_of_the_runs_and_each_line_above_its_probe(build):
    """Also of what the first panel lacks: SFT samples nothing, and has no point in the first panel of costs."""
    picture = build("cost").picture
    labels = [text.get_text() for text in picture.legends[0].get_texts()]
    runs = build("cost").numbers["label"].drop_duplicates().tolist()
    assert labels == [label for label in runs if label in labels] and labels.index("SFT") == 1
    entropies = [text.get_text() for text in build("entropy_trends").picture.legends[0].get_texts()]
    assert entropies == [
        *("own rollouts", "own rollouts, probe"),
        *("demonstrations (teacher-forced)", "demonstrations (teacher-forced), probe"),
    ]


def test_the_overview_picture_says_what_its_signs_are(build):
    labels = {text.get_text() for text in build("at_a_glance").picture.legends[0].get_texts()}
    assert labels == {"a seed", "the paper", "base"}


def test_runs_have_their_own_names_beside_the_papers_numbers(build, study):
    """The paper calls RED `Red(ALL)`; every other table and figure here does not."""
    ranks = build("reported_vs_measured").picture.axes[1]
    assert {text.get_text() for text in ranks.texts} <= {run.label for run in study.runs}


def test_heads_of_the_budgets_stand_on_one_line(build):
    heads = {text.get_text(): text.get_position()[1] for text in build("budgets").picture.axes[1].texts}
    assert len({heads[word] for word in ("prompts", "rollouts", "FLOPs", "sampled", "(%)")}) == 1


@pytest.mark.parametrize("item", ["entropy_trends", "training_dynamics", "distilled_rl", "gradient_conflict"])
def test_ticks_of_steps_are_round(item, build):
    axes = [where for where in build(item).picture.axes if where.get_xlabel() == "step"]
    apart = {round(ticks[1] - ticks[0]) for where in axes if len(ticks := where.get_xticks()) > 1}
    assert apart and all(str(gap).rstrip("0") in ("1", "2", "5") for gap in apart)
