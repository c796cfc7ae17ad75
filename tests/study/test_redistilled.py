"""Runs that learn the right answers of another run: what they wait for, and what is refused."""

import pytest

from red.errors import ConfigError
from red.study import config, estimate, jobs, paths
from red.study.runs import needs, run_spec


@pytest.fixture(scope="module")
def tiny(repository):
    document = config.load(repository / "config" / "default.yaml")
    return {
        **document,
        "runs": {**document["runs"], "redistilled": {**document["runs"]["redistilled"], "seeds": [0, 2]}},
    }


def changed(document, run="redistilled", **keys):
    return {**document, "runs": {**document["runs"], run: {**document["runs"][run], **keys}}}


def test_it_waits_for_the_run_whose_answers_it_learns(tiny):
    assert needs(tiny, "redistilled") == {"answers": "grpo"}
    assert needs(tiny, "sft_rl") == {"start": "sft"} and needs(tiny, "red_w_constant") == {"w": "red"}
    alone = config.select({**tiny, "only": ["redistilled"]})
    assert set(alone["runs"]) == {"redistilled", "grpo"}
    assert paths.parent(tiny, "redistilled", 2) == "<models>/base_seed2"


def test_the_job_gets_the_limits_of_its_run(tiny):
    spec = jobs.redistilled_spec(changed(tiny, redistilled={"run": "grpo", "count": 7}), "redistilled")
    training = run_spec(tiny, "redistilled", 0).training
    assert spec == {
        "max_prompt_tokens": training.max_prompt_tokens,
        "max_new_tokens": training.max_new_tokens,
        "template": "plain",
        "backend": "local",
        "count": 7,
    }


def test_the_forecast_has_the_answers_of_each_seed_and_what_they_are_for(tiny):
    (answers,) = [one for one in estimate.estimate(tiny).others if one.name.startswith("answers to learn")]
    assert (answers.name, answers.buys) == ("answers to learn, 2 jobs", ("redistilled",))
    assert answers.cost.seconds > 0
    (grpo,) = [row for row in estimate.estimate(tiny).rows if row.run == "grpo"]
    assert "answers of redistilled" in grpo.buys


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"redistilled": {"run": "grop"}}, r"runs.redistilled.redistilled.run: no other run named 'grop'.*'grpo'"),
        ({"redistilled": {"run": "redistilled"}}, "no other run named 'redistilled'"),
        ({"redistilled": {"run": "red_clip_0_g"}}, "runs.redistilled.seeds: red_clip_0_g is not trained with seed 2"),
        ({"redistilled": {"run": "grpo", "count": 0}}, "redistilled"),
        ({"redistilled": {"run": "grpo", "few": 1}}, "runs.redistilled.redistilled.few: unknown key"),
        ({"redistilled": {}}, "redistilled"),
        ({"redistilled": "grpo"}, "redistilled"),
        ({"corruption": "noisy_labels"}, "leave corruption out"),
    ],
)
def test_slips_are_one_line(tiny, keys, message):
    with pytest.raises(ConfigError, match=message):
        config.check(changed(tiny, **keys))


def test_nobody_waits_for_answers_that_wait_for_him(tiny):
    with pytest.raises(ConfigError, match="a cycle: grpo -> redistilled -> grpo"):
        config.check(changed(tiny, "grpo", init_from="redistilled", seeds=[0, 2]))
