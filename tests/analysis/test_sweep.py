"""The items `sweep` and `budgets`."""

import numpy as np
import pytest

from analysis.items.budgets import on_front
from analysis.listing import builder
from analysis.measures.spending import FLOPS, spending
from analysis.parts.cells import rate_text
from tests.analysis.test_measures import entry, tables_with
from tests.fixtures import sweep

RATES = {5e-4: [40, 44], 1e-3: [60, 50], 2e-3: [90, None]}


def test_every_rate_has_a_row_and_one_of_each_run_is_chosen():
    result = builder("sweep")(sweep.tables({"grpo": RATES, "red": {rate: [70, 10] for rate in RATES}}))
    numbers = result.numbers.set_index(["run", "rate"])
    assert numbers["chosen"][numbers["chosen"]].index.tolist() == [("grpo", 1e-3), ("red", 5e-4)]
    assert numbers.loc[("grpo", 5e-4), "accuracy"] == pytest.approx(42)
    assert numbers.loc[("grpo", 2e-3), ["seeds", "missing_seeds"]].tolist() == [1, 1]
    assert result.facts["chosen"] == {"grpo": 1e-3, "red": 5e-4}
    assert "GRPO at 0.002 (seed 1)" in result.facts["missing"]
    assert "At the edge of the grid: RED (5e-4)." in result.caption


def test_a_run_without_a_complete_rate_is_said_to_have_none():
    result = builder("sweep")(sweep.tables({"srft": {rate: [None, 40] for rate in RATES}}))
    assert "No rate is complete: SRFT." in result.caption and result.facts["chosen"] == {"srft": None}


def test_the_front_is_what_nothing_as_cheap_beats():
    flops = np.array([1.0, 2.0, 2.0, 3.0, 4.0, np.nan, 5.0])
    accuracy = np.array([10.0, 9.0, 12.0, 12.0, 30.0, 99.0, np.nan])
    assert on_front(flops, accuracy).tolist() == [True, False, True, False, True, False, False]


def logged(run, generated, trained, prompt, steps=2):
    """Rows of `steps` steps with that many tokens each."""
    for step in range(steps):
        yield run, 0, step, "tokens/generated_total", generated * (step + 1.0)
        yield run, 0, step, "tokens/trained_total", trained * (step + 1.0)
        yield run, 0, step, "tokens/prompt", float(prompt)
        yield run, 0, step, "train/prompts", 3.0


def run(name, parent=None, updates=1):
    line = entry(name, parent or "")
    training = {"training": {"lr": 1e-3, "updates_per_rollout": updates}}
    return {**line, "parameters": 10.0, "spec": {**line["spec"], **training}}


def test_flops_are_those_of_the_whole_path_from_the_base_model():
    """2 N sampled + 6 N (trained + prompt); 8 N with several updates; a snapshot counts its steps only."""
    runs = [run("sft"), run("grpo", "sft@1"), run("last", "grpo", updates=4)]
    rows = [*logged("sft", 0, 100, 20), *logged("grpo", 50, 30, 5), *logged("last", 7, 11, 2)]
    tables = tables_with(rows, runs)
    spent = spending(tables, tables.runs).set_index(["run", "quantity"])["value"]
    one_step_of_sft = 10 * 6 * 120
    grpo = 10 * (2 * 100 + 6 * 70) + one_step_of_sft
    assert spent["sft", FLOPS] == 2 * one_step_of_sft
    assert spent["grpo", FLOPS] == grpo
    assert spent["last", FLOPS] == 10 * (2 * 14 + 8 * 26) + grpo
    assert spent["last", "prompts"] == 6 + 6 + 3


def test_without_a_count_of_prompt_tokens_there_are_no_flops():
    rows = [row for row in logged("grpo", 50, 30, 5) if row[3] != "tokens/prompt"]
    tables = tables_with(rows, [run("grpo")])
    assert FLOPS not in set(spending(tables, tables.runs)["quantity"])


def test_a_run_that_starts_from_another_has_its_flops_too(study):
    numbers = builder("budgets")(study).numbers.set_index("run")
    assert numbers.loc["red", "flops"] > numbers.loc["red_i", "flops"] > 0
    assert numbers.loc["sft_grpo", "flops"] > numbers.loc["sft", "flops"]
    assert "base" not in numbers.index


@pytest.mark.parametrize(("rate", "text"), [(2.5e-4, "2.5e-4"), (1e-3, "1e-3"), (2e-6, "2e-6")])
def test_a_rate_is_written_as_in_a_configuration(rate, text):
    assert rate_text(rate) == text
