"""The loader: columns, versions, missing runs, and the paper's numbers."""

import csv

import pandas as pd
import pytest

from analysis.parts.account import account_of
from red.errors import DataError
from red.tables.reader import Run, load, runs_from
from tests.fixtures import synthetic


@pytest.fixture
def folder(tmp_path):
    return synthetic.write(tmp_path / "collected", seeds=(0,), steps=4, fraction=0.1)


def change(path, edit):
    edit(pd.read_parquet(path)).to_parquet(path, index=False)


def test_a_folder_without_tables_says_where_they_lie(folder):
    assert load(str(folder)).runs
    with pytest.raises(DataError, match=r"no collected tables here; they lie in the folder `collected`"):
        load(folder.parent)


def test_a_missing_file_says_to_collect_again(folder, reported):
    (folder / "probes.parquet").unlink()
    with pytest.raises(DataError, match=r"probes\.parquet: no such file; run `python -m red collect` again"):
        load(folder, reported)


def test_a_file_that_is_not_parquet_is_named(folder, reported):
    (folder / "scores.parquet").write_text("run,seed")
    with pytest.raises(DataError, match=r"scores\.parquet: not a parquet file"):
        load(folder, reported)


def test_a_missing_column_means_another_version(folder, reported):
    change(folder / "scores.parquet", lambda frame: frame.drop(columns="correct_lenient"))
    with pytest.raises(DataError, match="missing column 'correct_lenient', made by another version"):
        load(folder, reported)


def test_rows_of_two_code_versions_in_one_seed_are_refused(folder, reported):
    def edit(frame):
        frame.loc[frame.index[-1], "code"] = "another"
        return frame

    change(folder / "dynamics.parquet", edit)
    with pytest.raises(DataError, match=r"dynamics\.parquet: run '\w+' seed 0 mixes rows of two versions"):
        load(folder, reported)


def test_rows_of_another_version_than_the_list_of_runs_are_refused(folder, reported):
    change(folder / "scores.parquet", lambda frame: frame.assign(spec_hash="another"))
    with pytest.raises(DataError, match=r"scores\.parquet: run 'base' seed 0 is not the version in runs\.json"):
        load(folder, reported)


def test_seeds_of_different_code_are_noted_in_the_caption(study):
    made = {0: ("spec 0", "old"), 1: ("spec 1", "new")}
    text = account_of(study, [Run("red", "RED", "red", seeds=(0, 1), versions=made)]).text()
    assert "Seeds come from different versions of the code: RED." in text


def test_a_run_entry_without_status_is_named():
    with pytest.raises(DataError, match="runs: entry 0: missing key 'status'"):
        runs_from([{"run": "red", "method": "red", "seed": 0}], "runs")


def test_entries_of_one_run_are_joined_over_seeds():
    entry = {"run": "red", "method": "red", "label": "RED", "steps": 5}
    entries = [{**entry, "seed": 1, "status": "done"}, {**entry, "seed": 0, "status": "missing"}]
    (run,) = runs_from(entries, "runs")
    assert (run.seeds, run.missing_seeds, run.steps) == ((1,), (0,), 5)


@pytest.mark.parametrize(
    ("init_from", "parent"), [("sft@50", ("sft", 50)), ("sft", ("sft", None)), ("base", None), (None, None)]
)
def test_a_parent_is_a_run_and_a_step(init_from, parent):
    assert Run("x", "x", "grpo", spec={"init_from": init_from}).parent == parent


def test_scores_are_means_over_samples(folder, reported):
    tables = load(folder, reported)
    raw = pd.read_parquet(folder / "scores.parquet").query("run == 'red' and benchmark == 'amc'")
    ours = tables.scores(tables.named("red"), ["amc"]).set_index("problem")
    assert ours["samples"].unique() == [8]
    assert ours["accuracy"].to_dict() == raw.groupby("problem")["correct"].mean().to_dict()
    assert ours["first"].to_dict() == raw[raw["sample"] == 0].set_index("problem")["correct"].to_dict()


DYNAMICS = {
    "a metric twice": (
        lambda frame: pd.concat([frame, frame[frame["run"] == "red"][:1]]),
        "a metric of one step twice",
    ),
    "another run": (lambda frame: pd.concat([frame, frame[:1].assign(run="ghost")]), "steps of ghost seed 0, which"),
    "a gap": (lambda frame: frame.assign(step=frame["step"].replace({2: 9})), "4 steps between"),
}


@pytest.mark.parametrize("case", DYNAMICS)
def test_dynamics_hold_each_step_once_of_the_finished_runs_alone(folder, reported, case):
    edit, words = DYNAMICS[case]
    change(folder / "dynamics.parquet", edit)
    with pytest.raises(DataError, match=words):
        load(folder, reported)


def test_an_unknown_run_has_no_seeds(study):
    (run,) = study.named("nowhere")
    assert run.seeds == ()


def test_the_papers_numbers_are_those_of_the_reference_files(shared, reported):
    """Every printed cell once, unchanged: 223 numbers of Tables 1 to 5."""
    printed = []
    for number in range(1, 6):
        with (shared / "reference" / f"table{number}.csv").open(encoding="utf-8") as stream:
            printed += [(str(number), row["value"]) for row in csv.DictReader(stream)]
    with reported.open(encoding="utf-8") as stream:
        ours = [(row["table"], row["value"]) for row in csv.DictReader(stream)]
    assert ours == printed


def test_the_papers_cells_are_found_by_run_and_column(study):
    assert study.paper("main_results", "red", "overall", "accuracy") == 41.6
    assert study.paper("robustness", "red_adversarial_chains", "math500", "accuracy") == 79.5
    assert study.paper("entropy_phases", "sft_grpo_middle", "step300", "entropy/rollout") == 0.45
    assert study.paper("main_results", "hpt", "overall", "accuracy") is None
