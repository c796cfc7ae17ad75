"""Graded rollouts: verdicts, rewards, budgets and seeds, on a scripted generator and judge."""

from dataclasses import dataclass, field

import pytest

from red.methods.base import Problem, Reward
from red.sampling.response import Response
from red.text.codec import Codec
from red.training.rollouts import GradedSampler
from tests.training import toy

WORDS = toy.tokenizer()
LONG = 2000 / 8192


def ids(text):
    return WORDS.encode(text, add_special_tokens=False).ids


@dataclass
class Scripted:
    """Answers with a box and stops, or runs to its budget; keeps what it was asked."""

    asked: list = field(default_factory=list)

    def __call__(self, prompts, samples, budgets, seed):
        self.asked.append((list(prompts), samples, list(budgets), seed))
        short, long = ids("So \\boxed{7}"), ids("Then " * 99)
        return [[Response([*short, toy.EOS], "stop"), Response(long[:budget], "length")] for budget in budgets]


@dataclass
class Judge:
    """Right is a text that holds the gold answer."""

    cases: list = field(default_factory=list)

    def __call__(self, cases):
        self.cases = list(cases)
        return [float(f"{{{gold}}}" in text) for text, gold, _ in self.cases]


def sampler(share=0.0, limit=40):
    return GradedSampler(Scripted(), Codec(WORDS, (toy.EOS,)), Judge(), Reward(share), limit, True, seed=5)


def problem(name="a", demonstration="First, 3+4=7. So \\boxed{7}", accuracy=1.0):
    return Problem(name, tuple(ids("Compute 3+4.\nA:")), "7", (*ids(demonstration), toy.EOS), accuracy)


def test_rollouts_carry_their_verdict_as_reward():
    found = sampler()
    [[right, wrong]] = found([problem()], 2)
    assert (right.accuracy, right.reward, right.truncated, right.is_demonstration) == (1.0, 1.0, False, False)
    assert (wrong.accuracy, wrong.reward, wrong.truncated, wrong.is_demonstration) == (0.0, 0.0, True, False)
    assert right.prompt == problem().prompt
    assert [gold for _, gold, _ in found.judge.cases] == ["7", "7"] and found.judge.cases[0][2] is True
    assert (found.tokens, found.accuracies) == (5 + 40, [1.0, 0.0])


def test_the_over_length_penalty_is_added_to_the_reward_and_not_to_the_verdict():
    """A quarter of 40 tokens, 9.77, is rounded to 10: it begins after 30."""
    found = sampler(LONG)
    [[right, wrong]] = found([problem()], 2)
    assert (right.accuracy, right.reward) == (1.0, 1.0)
    assert (wrong.accuracy, wrong.reward) == (0.0, -1.0)
    assert found.demonstration(problem(demonstration="Then " * 31 + "\\boxed{7}")).reward == pytest.approx(1 - 0.5)
    assert found.demonstration(problem(demonstration="Then " * 29)).reward == 1.0
    assert sampler(0.01).demonstration(problem(demonstration="Then " * 39)).reward == 0.0  # at least one token


def test_a_demonstration_has_the_verdict_that_the_data_gave_it():
    right, forced = (sampler().demonstration(problem(accuracy=accuracy)) for accuracy in (1.0, 0.0))
    assert (right.accuracy, right.reward, right.is_demonstration, right.truncated) == (1.0, 1.0, True, False)
    assert (forced.accuracy, forced.reward) == (0.0, 0.0)
    cut = Problem("a", (5,), "7", tuple(ids("So \\boxed{7}")))
    assert sampler().demonstration(cut).truncated


def test_a_prefix_is_part_of_the_prompt_and_of_the_judged_text_and_shortens_the_budget():
    found = sampler()
    prefix = tuple(ids("First, 3+4=7. "))
    [[right, _], [_, wrong]] = found([problem("a"), problem("b")], 2, [prefix, ()])
    assert right.prompt == problem().prompt + prefix and right.response == (*ids("So \\boxed{7}"), toy.EOS)
    assert found.judge.cases[0][0] == "First, 3+4=7. So \\boxed{7}"
    assert found.generate.asked[0][2] == [40 - len(prefix), 40]
    assert len(wrong.response) == 40
    found([problem()], 2, [tuple(range(2, 12)) * 9])
    assert found.generate.asked[1][2] == [1]


def test_every_call_has_a_seed_of_its_own_that_repeats():
    first, second = sampler(), sampler()
    for found in (first, second):
        found([problem()], 2)
        found([problem()], 2)
        found([problem()], 2)
    seeds = [seed for *_, seed in first.generate.asked]
    assert seeds[0] == 5 and len(set(seeds)) == 3
    assert seeds == [seed for *_, seed in second.generate.asked]


def test_a_hybrid_is_graded_and_rewarded_with_its_prefix_and_counts_what_was_sampled():
    """The gold answer stands in the prefix; of 40 tokens 9 are copied, so 31 are left, and the penalty sees all 40."""
    found, prefix = sampler(LONG), tuple(ids("First, 3+4=7. So \\boxed{7}"))
    [[right, cut]] = found.continued([problem()], 2, [prefix])
    assert [row[2] for row in found.generate.asked] == [[40 - len(prefix)]]
    for member in (right, cut):
        assert member.prompt == problem().prompt and member.response[: len(prefix)] == prefix
        assert (member.prefix, member.accuracy, member.is_demonstration) == (len(prefix), 1.0, False)
    assert cut.truncated and len(cut.response) == 40 and (right.reward, cut.reward) == (1.0, 0.0)
    assert found.tokens == 5 + 40 - len(prefix)
    [[plain, _]] = found.continued([problem()], 2, [()])
    assert plain.prefix == 0 and plain.response == (*ids("So \\boxed{7}"), toy.EOS)


def test_accuracy_without_a_prefix_is_a_mean_over_prompts_and_logged_beside_prefixes():
    found = sampler()
    found([problem("a"), problem("b")], 2)
    assert "accuracy/bare" not in found.metrics()
    wrong = Problem("c", problem().prompt, "8", problem().demonstration)
    found([wrong], 2)
    found([problem("a"), wrong], 2, [tuple(ids("First, ")), ()])
    assert found.metrics() == {
        "train/rollouts": 10,
        "accuracy/sampled": 0.3,
        "accuracy/bare": pytest.approx((0.5 + 0.5 + 0) / 3),
    }
