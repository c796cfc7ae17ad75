"""How much of a demonstration a rollout begins with: UFT, Prefix-RFT and TRAPO."""

from dataclasses import replace

import pytest

from red import methods
from red.errors import ConfigError
from tests.methods.script import Script, Stream, problem

ALL_SHOWN = {"first": 1.0, "last": 1.0}


def test_uft_puts_all_rollouts_behind_one_prefix_which_is_a_member_without_an_end():
    """Every chunk is shown: ten sentences of two tokens. The end token, behind the twentieth, is the answer's."""
    script = Script({0: 0})
    mix = methods.method("uft", {"mix": ALL_SHOWN}).mix
    [group] = mix(Stream(), script, 1, 8)
    prefix = problem(0).demonstration[:20]
    assert script.calls == [(1, 8, (20,))]
    assert [r.prompt for r in group.rollouts] == [(7, 0, *prefix)] * 8
    assert [(m.prompt, m.response) for m in group.members if m.is_demonstration] == [((7, 0), prefix)]


@pytest.mark.parametrize(("mix", "step"), [({"first": 0.0, "last": 0.0}, 0), (ALL_SHOWN, 300), (ALL_SHOWN, 301)])
def test_uft_without_a_prefix_is_grpo(mix, step):
    [group] = methods.method("uft", {"mix": mix}).mix(Stream(step=step), Script({0: 3}), 1, 8)
    assert [r.prompt for r in group.members] == [(7, 0)] * 8


def test_a_draw_that_is_the_chance_shows_no_chunk():
    mix = methods.method("uft", {"mix": {"first": 0.5, "last": 0.5}}).mix
    assert mix.shown([0.5, 0.5, 0.4, 0.5, 0.5], 0, 10) == 2


def test_uft_draws_a_prefix_anew_for_each_prompt():
    script = Script({})
    methods.method("uft").mix(Stream(step=150), script, 200, 8)
    [(_, _, lengths)] = script.calls
    assert set(lengths) == {0, 4, 8, 12, 16, 20}


def test_prefix_rft_has_one_hybrid_that_begins_with_a_share_of_the_demonstration():
    script = Script({0: 3})
    groups = methods.method("prefix_rft", {"mix": {"decay": 10}}).mix(Stream(step=10), script, 40, 8)
    assert [(calls, samples) for calls, samples, _ in script.calls] == [(40, 7), (40, 1)]
    for group in groups:
        [hybrid] = group.hybrids
        assert hybrid.prompt == group.problem.prompt
        assert hybrid.response == group.problem.demonstration[: hybrid.prefix] + (5, 1)
        assert len(group.rollouts) == 7 and group.accuracies == [1.0] * 3 + [0.0] * 4
    lengths = {group.hybrids[0].prefix for group in groups}
    # Between a twentieth and 0.95 of 21 tokens, and one at least.
    assert min(lengths) >= 1 and max(lengths) <= 19 and len(lengths) > 10


def test_a_prefix_is_as_long_as_its_least_share_at_the_first_step():
    groups = methods.method("prefix_rft").mix(Stream(), Script({}), 5, 8)
    assert {group.hybrids[0].prefix for group in groups} == {19}


def test_prefix_rft_can_be_told_to_end_a_prefix_with_the_thought():
    mix = methods.method("prefix_rft", {"mix": {"reveal_answer": False}}).mix
    short = replace(problem(0), sentence_ends=(2, 4))
    assert len(mix.prefix(short, 0, 0.5)) == 4
    assert mix.prefix(replace(short, sentence_ends=()), 0, 0.5) == ()


@pytest.mark.parametrize(("demonstration", "prefix"), [((), 0), ((1,), 0), ((9, 1), 1)])
def test_the_last_token_of_a_demonstration_is_never_in_a_prefix(demonstration, prefix):
    mix = methods.method("prefix_rft").mix
    assert len(mix.prefix(replace(problem(0), demonstration=demonstration), 0, 0.99)) == prefix


def test_trapo_helps_the_failing_prompts_more_and_more():
    """The first prompt's rollouts fail, with 5 and with 10 of 21 tokens too; the second's are all right."""

    class Second(Script):
        def __call__(self, problems, samples, prefixes=None):
            groups = super().__call__(problems, samples, prefixes)
            return [[replace(s, reward=float(p.id == "1")) for s in g] for p, g in zip(problems, groups, strict=True)]

    script = Second({})
    first, second = methods.method("trapo").mix(Stream(), script, 2, 8)
    assert script.calls == [(2, 4, (0, 0)), (2, 2, (4, 0)), (2, 1, (10, 0)), (1, 1, (0,))]
    assert [m.prefix for m in first.members] == [0] * 4 + [4] * 2 + [10, 0]
    assert [m.is_demonstration for m in first.members] == [False] * 7 + [True]
    assert first.members[-1].response == problem(0).demonstration
    assert len(second.rollouts) == 8
    assert all(m.prefix_in_loss for m in first.members)


def test_trapos_code_learns_the_last_prefix_of_a_micro_group():
    """Of the two behind four tokens the first is right, and each stays what it is."""
    [group] = methods.method("trapo", {"mix": {"learned": "last"}}).mix(Stream(), Script({4: 1}), 1, 8)
    assert [(m.prefix_in_loss, m.accuracy) for m in group.hybrids] == [(False, 1.0), (True, 0.0), (True, 0.0)]


def test_trapo_cannot_help_a_prompt_without_a_demonstration():
    class Bare(Stream):
        def take(self, count):
            return [replace(one, demonstration=()) for one in super().take(count)]

    [group] = methods.method("trapo").mix(Bare(), Script({}), 1, 8)
    assert len(group.rollouts) == 8


def test_a_hybrid_needs_one_rollout_beside_it():
    methods.method("prefix_rft").mix.check(2)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("trapo", 6, "mix.sizes: 8 members, but group_size is 6"),
        ("trapo", 9, "mix.sizes: 8 members, but group_size is 9"),
        ("prefix_rft", 1, "group_size: 1 leaves no rollout beside the hybrid"),
        ("red", 1, "group_size: 1 leaves no rollout beside the demonstration"),
    ],
)
def test_a_group_without_room_is_refused(name, size, message):
    with pytest.raises(ConfigError, match=message):
        methods.method(name).mix.check(size)


@pytest.mark.parametrize("key", ["sizes", "ratios", "limits"])
@pytest.mark.parametrize("values", [[1, 1], [1, 1, 1, 1, 1]], ids=len)
def test_micro_groups_have_a_share_and_a_limit_each(key, values):
    with pytest.raises(ConfigError, match="mix.sizes: must be as many as ratios and limits"):
        methods.method("trapo", {"mix": {key: values}}, "runs.x")
