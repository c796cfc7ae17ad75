"""The overlays of config/sensitivity: each turns one knob in folders of its own, and makes bases only where it must."""

from pathlib import Path

import pytest

from analysis.measures.conditions import KNOBS
from red.plumbing.documents import read_yaml
from red.study import config, jobs
from red.study.runs import run_spec

FOLDER = Path(__file__).parents[2] / "config" / "sensitivity"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "common")
# The jobs that each knob may change, and must.
CHANGED = {
    "opener": {"models", "prompts", "demonstrations"},
    "limit": {"training", "generation", "probes"},
    "length": {"demonstrations"},
    "unsolved": {"prompts"},
    "aggregation": {"training"},
}


@pytest.fixture(scope="module")
def studies():
    """{name: configuration}; the reference is named default."""
    shipped = FOLDER.parent / "default.yaml"
    found = {name: config.load(shipped, FOLDER / "common.yaml", FOLDER / f"{name}.yaml") for name in NAMES}
    return {"default": config.load(shipped, FOLDER / "common.yaml"), **found}


def specs(document):
    """What jobs are told, by stage."""
    trained = jobs.trained(document)
    return {
        "models": jobs.models(document),
        "prompts": jobs.prompts_spec(document),
        "demonstrations": jobs.demonstrations_spec(document),
        "training": [jobs.training_spec(run_spec(document, *pair)) for pair in trained],
        "generation": jobs.generation_spec(document),
        "probes": [jobs.probe_spec(document, run, probe) for run, _, probe in jobs.probed(document)],
    }


def test_each_overlay_changes_what_its_knob_changes_and_nothing_else(studies):
    reference = specs(studies["default"])
    for name in NAMES:
        own = specs(studies[name])
        changed = {stage for stage, spec in own.items() if spec != reference[stage]}
        # A shorter limit also leaves out what no longer fits.
        may = {"prompts"} if name == "limit_short" else set()
        assert changed - may == CHANGED[studies[name]["study"]["knob"]], name


def leaves(section, path=""):
    """Dotted keys of all values."""
    for key, value in section.items():
        yield from leaves(value, f"{path}{key}.") if isinstance(value, dict) else [path + key]


KEYS = {
    "opener": {"world.teacher_like"},
    "limit": {"common.max_new_tokens", "evaluation.max_new_tokens", "data.prompts.longest"},
    "length": {"data.demonstrations.world.recheck"},
    "unsolved": {"data.prompts.world.chains", "data.prompts.world.other_hard"},
    "aggregation": {f"runs.{run}.aggregation.kind" for run in ("grpo", "sft_dapo", "mix_policy", "luffy", "red")},
}


@pytest.mark.parametrize("name", NAMES)
def test_an_overlay_names_itself_and_turns_one_knob(name):
    overlay = read_yaml(FOLDER / f"{name}.yaml")
    about, folders = overlay.pop("study"), overlay.pop("pathvars")
    assert about["name"] == name and about["knob"] in KNOBS
    assert all(name in folder for folder in folders.values())
    assert set(leaves(overlay)) <= KEYS[about["knob"]]


def test_both_limits_of_a_study_are_the_same(studies):
    for name in NAMES:
        if studies[name]["study"]["knob"] == "limit":
            limits = [studies[name][section]["max_new_tokens"] for section in ("common", "evaluation")]
            assert limits == [studies[name]["study"]["setting"]] * 2


def test_aggregation_is_that_of_every_policy_gradient(studies):
    for name in NAMES:
        about = studies[name]["study"]
        if about["knob"] == "aggregation":
            objectives = {
                run: run_spec(studies[name], run, 0).build_method().objective for run in studies[name]["runs"]
            }
            kinds = {objective.aggregation.kind for objective in objectives.values() if objective.rollout}
            assert kinds == {about["setting"]}, name


def test_studies_that_share_a_folder_of_models_make_the_same_ones(studies):
    shipped = config.load(FOLDER.parent / "default.yaml")
    made = {jobs.models_folder(shipped): dict(jobs.models(shipped))}
    for document in studies.values():
        own = made.setdefault(jobs.models_folder(document), {})
        assert all(own.setdefault(model, spec) == spec for model, spec in jobs.models(document).items())
    assert len(made) == 1 + sum(studies[name]["study"]["knob"] == "opener" for name in NAMES)


def test_all_studies_have_names_and_results_of_their_own_and_can_be_joined(studies):
    assert len({str(jobs.results(document)) for document in studies.values()}) == len(studies)
    assert len({document["study"]["name"] for document in studies.values()}) == len(studies)
    for document in studies.values():
        jobs.check(document)
        assert jobs.collect_spec(document)["benchmarks"] == jobs.collect_spec(studies["default"])["benchmarks"]
        assert {entry["study"]["name"] for entry in jobs.collect_spec(document)["runs"]} == {document["study"]["name"]}


def test_a_study_changes_no_job_but_collect(studies):
    document = studies["default"]
    assert specs({**document, "study": {"name": "other", "knob": "x", "setting": 1}}) == specs(document)
