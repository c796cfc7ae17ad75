"""The tiny world: every text is right, round-trips, and stays in its partition."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from red.data import prompts
from red.errors import ConfigError, DataError
from red.world import benchmarks, mixture, problems, styles, vocabulary
from red.world.problems import Step, chain, equation, parse, story, with_options

MAKERS = {
    "easy chain": lambda random: chain(random, 3),
    "hard chain": lambda random: chain(random, 4, 2),
    "chain with tens": lambda random: chain(random, 2, 0, tens=1.0),
    "easy equation": lambda random: equation(random),
    "hard equation": lambda random: equation(random, 2),
    "easy story": lambda random: story(random),
    "hard story": lambda random: story(random, 2),
    "training": mixture.training_problem,
    "pretraining": mixture.pretraining_problem,
}


def value(left: str, rest: str) -> int:
    """Left to right, without precedence; division must be exact."""
    total = int(left)
    for operator, right in re.findall(r"([-+*/])(\d+)", rest):
        if operator == "/":
            assert total % int(right) == 0
        total = Step(operator, total, int(right)).result
    return total


def wrong_equalities(text: str) -> list[str]:
    """Every `a op b = c` that does not hold, also inside run-on chains such as `7*8=56+5=61`."""
    wrong = []
    for match in re.finditer(r"\d+(?:[-+*/]\d+)+(?:=\d+(?:[-+*/]\d+)*)+", text):
        sides = match[0].split("=")
        for left, right in zip(sides, sides[1:], strict=False):
            first = re.match(r"\d+", right)[0]
            start = re.match(r"(\d+)(.*)", left)
            if value(start[1], start[2]) != int(first):
                wrong.append(match[0])
    return wrong


@pytest.mark.parametrize("name", MAKERS)
def test_problems_stay_in_range_and_parse_back(name):
    random = Random(0)
    for _ in range(300):
        problem = MAKERS[name](random)
        assert parse(problem.question) == problem
        for step in problem.steps:
            assert 0 <= step.left <= 99 and 0 <= step.result <= 99
            assert step.operator != "/" or step.left == step.right * step.result


def test_difficulty_is_what_was_asked_for():
    random = Random(1)
    for hard in range(3):
        assert chain(random, 3, hard).hard_steps == hard
        assert equation(random, hard).hard_steps == hard
        assert story(random, hard).hard_steps == hard


def test_impossible_problems_end_with_their_parameters():
    with pytest.raises(DataError, match="chain with length=2 hard=5"):
        chain(Random(0), 2, 5)
    with pytest.raises(DataError, match="story with hard=3"):
        story(Random(0), 3)


def test_distinct_problems_end_when_the_world_is_exhausted():
    with pytest.raises(DataError, match="new problem of the partition benchmark"):
        mixture.distinct(Random(0), "benchmark", lambda r: chain(r, 1), 100_000)


def test_options_are_different_and_hold_the_answer():
    random = Random(2)
    for count in (4, 10):
        problem = with_options(random, chain(random, 2), count)
        assert len(set(problem.options)) == count
        assert problem.answer in problem.options


def test_every_teacher_response_verifies_and_every_step_is_right():
    random = Random(3)
    for _ in range(2000):
        problem = mixture.training_problem(random)
        response = styles.teacher_response(random, problem, recheck=0.5)
        assert styles.boxed_answer(response) == str(problem.answer)
        assert wrong_equalities(response) == []


def test_the_check_of_equalities_sees_a_slip():
    assert wrong_equalities("First, 7*8=56+5=62. ") == ["7*8=56+5=62"]


def test_teacher_responses_open_recheck_and_conclude():
    response = styles.teacher_response(Random(0), parse("Compute 12+7*4-9"), recheck=1.0)
    assert response.startswith("Okay, let me think. First, ")
    assert response.endswith("So the answer is \\boxed{67}")
    assert sum(response.count(word) for word in vocabulary.THINKING_WORDS) == 3


def test_teacher_responses_are_longer_than_the_base_manner():
    random, encode = Random(4), vocabulary.tokenizer().encode
    sample = [mixture.training_problem(random) for _ in range(400)]
    teacher = sum(len(encode(styles.teacher_response(random, p)).ids) for p in sample)
    base = sum(len(encode(styles.base_response(random, p, mixture.HABITS)).ids) for p in sample)
    assert teacher > 1.5 * base


@settings(max_examples=500)
@given(st.lists(st.sampled_from(vocabulary.WORDS)))
def test_every_concatenation_of_words_round_trips(words):
    text = "".join(words)
    tokenizer = vocabulary.tokenizer()
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_every_generated_text_becomes_its_words():
    random, tokenizer = Random(5), vocabulary.tokenizer()
    for _ in range(2000):
        question, _, response = mixture.pretraining_text(random)
        for text in (question, response):
            encoding = tokenizer.encode(text)
            assert tokenizer.decode(encoding.ids) == text
            assert all(token in vocabulary.WORDS for token in encoding.tokens)


def test_two_digit_numbers_are_one_token():
    assert vocabulary.tokenizer().encode("34+28=62").tokens == ["34", "+", "28", "=", "62"]


def test_text_outside_the_vocabulary_is_not_hidden():
    with pytest.raises(Exception, match="UNK"):
        vocabulary.tokenizer().encode("Integrate")


def test_prompts_benchmarks_and_pretraining_share_no_question():
    training = {row["question"] for row in prompts.prompts({"count": 2000}).rows}
    tested = {row["question"] for name in benchmarks.RECIPES for row in benchmarks.rows(name)}
    random = Random(6)
    read = {mixture.pretraining_text(random)[0] for _ in range(5000)}
    read |= {mixture.teacher_text(random)[0] for _ in range(5000)}
    assert len(training) == 2000
    assert not training & tested
    assert not training & read
    assert not tested & read


@pytest.mark.parametrize("name", benchmarks.RECIPES)
def test_benchmarks_are_fixed_distinct_and_answered(name):
    rows = benchmarks.rows(name)
    assert rows == benchmarks.rows(name)
    assert len({row["question"] for row in rows}) == len(rows) == benchmarks.RECIPES[name][0]
    for row in rows:
        assert row["answer"] == str(parse(row["question"]).answer)
        assert row["options"] is None or row["answer"] in row["options"]


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'imo' is unknown.*aime24"):
        benchmarks.benchmark("imo")


def test_equal_seeds_give_equal_prompts():
    assert prompts.prompts({"count": 50}) == prompts.prompts({"count": 50, "seed": 1})
    assert prompts.prompts({"count": 50}) != prompts.prompts({"count": 50, "seed": 2})


def test_base_text_slips_about_as_often_as_its_habits_say():
    random = Random(7)
    habits = styles.Habits(teacher_like=0.0, guess=0.0, unboxed=0.0, slip=0.1)
    sample = [chain(random, 1) for _ in range(4000)]
    wrong = [styles.boxed_answer(styles.base_response(random, p, habits)) != str(p.answer) for p in sample]
    assert abs(sum(wrong) / len(wrong) - 0.1) < 0.02


def test_largest_value_is_one_token():
    assert str(problems.LARGEST) in vocabulary.NUMBERS
