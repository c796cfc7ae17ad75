"""What enters a group, method by method, on a scripted sampler; overrides of a run."""

from dataclasses import dataclass, replace

import pytest

from red import methods
from red.errors import ConfigError
from red.methods.base import Group, Sequence
from red.methods.bread import AnchorSearch, EpisodeAnchorSearch
from red.methods.gac import NoiseControl
from red.methods.relift import HardBuffer
from red.training.update import Enrolment
from tests.methods.script import Script, Stream, problem


@pytest.mark.parametrize(
    ("name", "rollouts", "demonstrations"),
    [
        ("sft", 0, 1),
        ("grpo", 8, 0),
        ("drgrpo", 8, 0),
        ("sft_rl", 8, 0),
        ("rl_sft", 7, 1),
        ("mix_policy", 7, 1),
        ("luffy", 7, 1),
        ("srft", 7, 1),
        ("relift", 8, 0),
        ("hpt", 8, 1),
        ("red", 7, 1),
        ("dft", 0, 1),
        ("trsft", 0, 1),
        ("psft", 0, 1),
        ("nft", 8, 0),
        ("rl_plus", 7, 1),
        ("superrl", 8, 1),
    ],
)
def test_members_per_prompt_are_those_of_the_table(name, rollouts, demonstrations):
    groups = methods.method(name).mix(Stream(), Script({0: 3}), 4, 8)
    assert len(groups) == 4
    for group in groups:
        assert len(group.rollouts) == rollouts
        assert len(group.members) - rollouts == demonstrations


@pytest.mark.parametrize(
    "name", ["sft", "dft", "grpo", "rl_sft", "mix_policy", "luffy", "srft", "red", "chord_mu", "chord_phi"]
)
def test_the_forecast_of_demonstrations_is_what_the_mix_takes(name):
    mix = methods.method(name).mix
    groups = mix(Stream(), Script({0: 3}), 4, 8)
    taken = sum(member.is_demonstration for group in groups for member in group.members)
    assert mix.demonstrations_per_prompt() == taken / 4


@pytest.mark.parametrize(
    ("name", "forecast"),
    [
        ("redi", 2.0),  # the demonstration and the wrong trace
        ("trapo", 2 * 0.2 + 0.5 + 1.0),  # every micro-group is helped
        ("prefix_rft", (0.95 + (0.95 + 0.05) / 2) / 2),  # between 0.95 and a least share whose mean is 0.5
        ("uft", (0.95 + 0.05) / 2),  # the mean of a chunk's chance
        ("gac", 1.0),  # the expert batch
    ],
)
def test_the_forecast_counts_a_part_of_a_demonstration_by_its_share(name, forecast):
    assert methods.method(name).mix.demonstrations_per_prompt() == pytest.approx(forecast)


def test_gac_knows_no_share_of_noise_before_it_has_measured_any():
    assert NoiseControl().start().share == 0.0


def test_redi_pairs_a_demonstration_with_its_wrong_trace_where_there_is_one():
    mix, script = methods.method("redi").mix, Script({})
    with_one, without = replace(problem(1), wrong=(9, 8, 1)), problem(2)
    (right, wrong), (alone,) = (group.members for group in mix.groups([with_one, without], script, 8))
    assert right == Sequence(with_one.prompt, with_one.demonstration, 1.0, 1.0, is_demonstration=True)
    assert wrong == replace(right, response=(9, 8, 1), accuracy=0.0, reward=0.0)
    assert alone.response == without.demonstration and not script.calls


def test_chord_adds_demonstrations_of_other_prompts_as_groups_of_their_own():
    groups = methods.method("chord_phi").mix(Stream(), Script({0: 3}), 4, 8)
    assert [len(g.members) for g in groups] == [8] * 4 + [1] * 4
    assert {g.problem.id for g in groups[:4]}.isdisjoint({g.problem.id for g in groups[4:]})


@pytest.mark.parametrize("name", ["dapo", "gpg"])
def test_a_step_is_sampled_until_it_is_full_and_at_most_six_rounds(name):
    mix = methods.method(name).mix
    stream, script = Stream(), Script({0: 0})
    assert mix(stream, script, 4, 8) == []
    assert len(script.calls) == 6 and stream.cursor == 24
    stream, script = Stream(), Script({0: 3})
    assert len(mix(stream, script, 4, 8)) == 4
    assert len(script.calls) == 1


def test_the_mu_of_gac_has_room_or_one_value():
    with pytest.raises(ConfigError, match=r"low: 0\.6 is above high, 0\.5"):
        NoiseControl(low=0.6, high=0.5)
    assert NoiseControl(low=0.5, high=0.5).start().mu == 0.5


@dataclass
class Verdicts:
    """A sampler whose groups have these verdicts, in order; a demonstration is right."""

    groups: list[list[float]]

    def __call__(self, problems, samples, prefixes=None):
        taken = [self.groups.pop(0) for _ in problems]
        return [
            [Sequence(p.prompt, (5, 1), accuracy, accuracy - 0.5 * (i % 2)) for i, accuracy in enumerate(verdicts)]
            for p, verdicts in zip(problems, taken, strict=True)
        ]

    def demonstration(self, problem):
        return Sequence(problem.prompt, problem.demonstration, 1.0, 1.0, is_demonstration=True)


def test_dapo_drops_groups_of_equal_verdicts_and_cuts_the_surplus_from_the_end():
    """Rewards may differ where verdicts do not: the verdicts count."""
    mixed, right, wrong = [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]
    verdicts = Verdicts([mixed, right, wrong, mixed, mixed, mixed, wrong, mixed])
    groups = methods.method("dapo").mix(Stream(), verdicts, 4, 2)
    assert [g.problem.id for g in groups] == ["0", "3", "4", "5"]
    assert verdicts.groups == []


@pytest.mark.parametrize("name", ["red_intended", "red_released"])
def test_the_authors_code_looks_at_all_members_and_draws_sequences(name):
    """Nine members stand for six places; those left out stay in their groups, whose advantages need them."""
    right, wrong, mixed = [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]
    verdicts = Verdicts([wrong, right, right, mixed, mixed, right])
    groups = methods.method(name).mix(Stream(), verdicts, 2, 3)
    assert [(g.problem.id, len(g.rollouts), len(g.members)) for g in groups] == [("0", 2, 3), ("3", 2, 3)]
    assert all(m.in_loss for g in groups for m in g.members)
    verdicts = Verdicts([wrong, right, mixed, mixed])
    groups = methods.method(name).mix(Stream(), verdicts, 2, 3)
    assert [g.problem.id for g in groups] == ["0", "2", "3"]
    drawn = [m.in_loss for g in groups for m in g.members]
    assert len(drawn) == 9 and sum(drawn) == 6
    assert len({tuple(m.in_loss for m in g.members) for g in groups}) > 1


@pytest.mark.parametrize("name", ["red_intended", "red_released"])
def test_the_seventh_round_of_the_authors_code_is_whole(name):
    stream, script = Stream(), Script({0: 8})
    groups = methods.method(name).mix(stream, script, 4, 8)
    assert (len(script.calls), stream.cursor) == (7, 28)
    assert [g.problem.id for g in groups] == ["24", "25", "26", "27"]
    assert all(m.in_loss for g in groups for m in g.members)


def test_demonstrations_of_the_authors_code_have_no_end():
    mix = methods.method("red_released").mix
    [group] = mix(Stream(), Script({0: 3}), 1, 8)
    assert group.members[-1].is_demonstration and group.members[-1].response == problem(0).demonstration[:-1]

    class Cut(Script):
        def demonstration(self, problem):
            return replace(super().demonstration(problem), truncated=True)

    [group] = mix(Stream(), Cut({0: 3}), 1, 8)
    assert group.members[-1].response == problem(0).demonstration


def test_a_member_out_of_the_loss_counts_in_advantages_only():
    """Its group's mean is that of all members; its tokens, its entropy and its place among N are gone."""
    rewards = [1.0, 0.0, 0.0]
    members = tuple(Sequence((7,), (5, 5, 1), r, r, in_loss=i != 1) for i, r in enumerate(rewards))
    spec = methods.method("drgrpo").objective
    enrolled = Enrolment.of([Group(problem(0), members)], spec)
    assert [s.accuracy for s in enrolled.sequences] == [1.0, 0.0]
    plan = enrolled.plan(spec, 1.0, None)
    assert plan.advantage_s.tolist() == pytest.approx([2 / 3, -1 / 3])
    assert (plan.policy_sequences, plan.policy_tokens, plan.tokens) == (2.0, 6.0, 6.0)


def test_bread_keeps_ordinary_groups_when_a_rollout_succeeds():
    script = Script({0: 1})
    groups = methods.method("bread").mix(Stream(), script, 2, 8)
    assert len(script.calls) == 1
    assert all(g.rollouts[0].prompt == g.problem.prompt for g in groups)


def test_bread_reveals_the_shortest_prefix_in_range_and_counts_every_probe():
    # One sentence is two tokens, ten sentences, so k episodes are 2k tokens; k = 3 first has a rate in range.
    script = Script({0: 0, 2: 0, 4: 1, 6: 2, 8: 4, 10: 4})
    [group] = EpisodeAnchorSearch()(Stream(), script, 1, 8)
    assert group.rollouts[0].prompt == (7, 0) + tuple(range(100, 106))
    assert [prefix for _, _, prefix in script.calls] == [(0,), (10,), (4,), (6,)]


@pytest.mark.parametrize(
    ("rates", "probes", "anchor"),
    [
        # The shortest prefix inside the range; its edges belong to it.
        ({5: 0.5, 2: 0.25, 1: 0.0}, [5, 2, 1], 2),
        ({5: 0.75, 2: 0.1, 3: 0.75, 4: 0.9}, [5, 2, 3], 3),
        # None inside: the closest, 0.1 away against 0.15; of two as close, the shorter.
        ({5: 0.85, 2: 0.1, 3: 0.1, 4: 0.1}, [5, 2, 3, 4], 5),
        ({5: 0.875, 2: 0.125, 3: 0.875}, [5, 2, 3], 2),
        # All right or all wrong teaches nothing.
        ({5: 1.0, 2: 0.0, 3: 1.0}, [5, 2, 3], None),
        ({5: 0.0, 7: 0.0, 8: 0.0, 9: 0.0}, [5, 7, 8, 9], None),
        ({5: 0.0, 7: 0.0, 8: 0.0, 9: 0.125}, [5, 7, 8, 9], 9),
        ({5: 1.0, 2: 1.0, 1: 1.0}, [5, 2, 1], None),
    ],
)
def test_anchor_search_is_a_binary_search_for_the_shortest_prefix(rates, probes, anchor):
    search, made = AnchorSearch(10, 0.25, 0.75), []
    while (k := search.probe()) is not None:
        made.append(k)
        search.report(rates[k])
    assert (made, search.anchor()) == (probes, anchor)


def test_bread_searches_nothing_for_a_prompt_without_a_demonstration():
    class Bare(Stream):
        def take(self, count):
            return [replace(p, demonstration=(), sentence_ends=()) for p in super().take(count)]

    script = Script({0: 0})
    groups = methods.method("bread").mix(Bare(), script, 2, 8)
    assert [g.problem.id for g in groups] == ["0", "1"] and len(script.calls) == 1


def test_bread_searches_only_for_the_prompts_that_all_fail():
    """The second prompt fails; its group takes the place of the failed one, between its neighbors."""
    verdicts = Verdicts([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0], *[[0.0, 0.0]] * 3])
    groups = methods.method("bread").mix(Stream(), verdicts, 3, 2)
    assert [g.problem.id for g in groups] == ["0", "1", "2"]
    assert groups[1].accuracies == [0.0, 1.0] and verdicts.groups == []


def test_bread_skips_a_prompt_that_no_prefix_makes_mixed():
    assert EpisodeAnchorSearch()(Stream(), Script({}), 1, 8) == []


def test_bread_never_reveals_the_whole_demonstration():
    whole = problem(0)
    mix = EpisodeAnchorSearch()
    prefixes = [mix.prefix(whole, k) for k in range(1, 10)]
    assert [len(p) for p in prefixes] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert mix.prefix(replace(whole, sentence_ends=()), 9) == ()


def test_hard_prompts_go_in_front_and_the_newest_are_used_first():
    buffer = HardBuffer(2)
    failed = Group(problem(1), (Sequence((), (), 0.0, 0.0),))
    solved = Group(problem(2), (Sequence((), (), 1.0, 1.0), Sequence((), (), 0.0, 0.0)))
    assert buffer.due([failed, solved]) == []
    assert buffer.due([replace(failed, problem=problem(3)), replace(failed, problem=problem(4))]) == ["3", "4"]
    assert buffer.ids == ["1"]


def test_a_hard_prompt_without_a_demonstration_does_not_wait_for_one():
    buffer = HardBuffer(1)
    bare = replace(problem(1), demonstration=())
    failed = (Sequence((), (), 0.0, 0.0),)
    assert buffer.due([Group(bare, failed)]) == [] and buffer.ids == []
    assert buffer.due([Group(bare, failed), Group(problem(2), failed)]) == ["2"]


def test_a_run_overrides_nested_fields_and_nothing_else():
    changed = methods.method("red", {"weight": {"window": 5}, "mix": {"demonstrations": 0}})
    original = methods.method("red")
    assert changed.objective.weight == replace(original.objective.weight, window=5)
    assert changed.objective.demonstration == original.objective.demonstration
    assert changed.mix.demonstrations == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"weight": {"windw": 5}}, "runs.x.weight.windw: unknown key; did you mean 'window'?"),
        ({"weight": {"kind": "magic"}}, "runs.x.weight.kind: 'magic' is not one of constant"),
        ({"rollout": {"clip_low": "low"}}, "runs.x.rollout.clip_low: 'low' is text, not a number"),
        ({"wieght": {}}, "runs.x.wieght: unknown key"),
        ({"objective": {"weight": {"window": 5}}}, "runs.x.objective: unknown key; its parts stand by themselves"),
    ],
)
def test_a_misspelt_override_names_its_full_path(overrides, message):
    with pytest.raises(ConfigError) as error:
        methods.method("red", overrides, "runs.x")
    assert str(error.value).startswith(message)


def test_an_unknown_method_names_the_nearest_or_lists_all():
    with pytest.raises(ConfigError, match=r"^runs\.x\.method: unknown method 'gpro'; did you mean 'grpo'\?$"):
        methods.method("gpro", path="runs.x")
    with pytest.raises(ConfigError, match=r"^method: unknown method 'zzz'; one of .*, grpo, "):
        methods.method("zzz")


@pytest.mark.parametrize(
    ("name", "failed", "uninformative", "sampled"),
    [
        ("grpo", 0.5, 0.5, 1.0),
        ("dapo", 0.5, 0.0, 1.0),
        ("dapo", 0.5, 0.5, 2.0),
        ("dapo", 0.5, 0.75, 4.0),
        ("dapo", 0.5, 1.0, 6.0),
        ("gpg", 0.5, 0.75, 4.0),
        ("red_released", 0.5, 0.5, 2.0),
        ("red_released", 0.5, 1.0, 7.0),
        ("bread", 0.0, 0.5, 1.0),
        ("bread", 0.5, 0.5, 2.660964),
        ("bread", 1.0, 0.5, 4.321928),
    ],
)
def test_what_is_sampled_per_rollout_kept(name, failed, uninformative, sampled):
    """DAPO draws dropped groups again, six rounds at most; BREAD searches among ten episodes, log2(10) = 3.321928."""
    assert methods.method(name).mix.sampled_per_kept(failed, uninformative) == pytest.approx(sampled)


def test_relift_learns_each_failed_prompt_once():
    step = methods.method("relift").second_step
    assert [step.demonstrations(failed) for failed in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]
