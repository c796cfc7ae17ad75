"""Models that are made of others in the DAG: made once, evaluated and probed like runs, after what they are made of."""

import pytest

from red.study import config
from red.study.derived import derived

FORGETTING = ("--configfile", "config/default.yaml", "config/forgetting.yaml")
SMALL = {
    "seeds": [1],
    "only": ["sft", "grpo_at_6"],
    "derived": {
        "early": {"of": "sft@4"},
        "values": {"of": "sft", "values": "sft@6"},
        "random": {"null_of": "values"},
        "later": {"of": "grpo_at_6@9"},
    },
    "probes": {"rotation": {"runs": ["sft", "grpo_at_6", "early", "random", "later"]}},
    "benchmarks": dict.fromkeys(("aime24", "aime25", "amc", "minerva", "olympiad", "gpqa_diamond", "mmlu_pro")),
}


@pytest.fixture(scope="module")
def small(stubbed):
    study = config.load(*(stubbed.root / "config" / name for name in ("default.yaml", "forgetting.yaml")))
    gone = dict.fromkeys(study["derived"])
    return (*FORGETTING, stubbed.overlay("small.yaml", **{**SMALL, "derived": gone | SMALL["derived"]}))


def test_the_shipped_study_makes_each_once_and_evaluates_it(planned):
    study = config.load(*(planned.root / "config" / name for name in ("default.yaml", "forgetting.yaml")))
    jobs, pairs = planned.plan(*FORGETTING), derived(study)
    assert [job for job in jobs if job.startswith("derive ")] == sorted(f"derive {name} {seed}" for name, seed in pairs)
    assert len(pairs) == 48 and {f"generate {name} {seed}" for name, seed in pairs} <= set(jobs)
    assert not {f"train {name} {seed}" for name, seed in pairs} & set(jobs)
    assert len([job for job in jobs if job.startswith("probe_rotation ")]) == 19 * 3
    assert not [job for job in jobs if job.startswith("probe ")]


def test_the_default_study_makes_none(planned):
    assert not [job for job in planned.plan() if job.startswith(("derive ", "probe_rotation "))]


def test_all_is_made_and_then_nothing_is_left_to_do(stubbed, small):
    """The stand-in refuses a model that is made before what it is made of."""
    done = stubbed.snakemake("all", "--cores", "2", *small)
    assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]
    calls = [line.split("/")[-3:] for line in stubbed.calls() if line.startswith("derive ")]
    assert sorted(name for _, name, _ in calls) == ["early", "later", "random", "values"]
    assert stubbed.plan(*small) == []


def test_another_donor_makes_again_what_depends_on_it_and_trains_nothing(stubbed, small):
    other = stubbed.overlay("other.yaml", derived={"values": {"values": "base"}})
    jobs = stubbed.plan(*small, other)
    assert not [job for job in jobs if job.startswith("train ")]  # what starts from sft@6 keeps that snapshot
    changed = {
        "derive values 1",
        "derive random 1",
        "generate values 1",
        "generate random 1",
        "probe_rotation random 1",
    }
    assert changed <= set(jobs)
