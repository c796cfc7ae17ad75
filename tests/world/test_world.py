"""The tiny world: every text is right, round-trips, and stays in its partition."""

import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from red.data import prompts
from red.data.sources import embedded
from red.errors import ConfigError, DataError
from red.plumbing.records import from_mapping
from red.world import benchmarks, mixture, phrases, problems, styles, vocabulary
from red.world.problems import Step, chain, equation, parse, story, with_options
from red.world.spec import World

PLAIN = World(wording="plain")
VARIED = World(wording="varied", recheck=0.5, page_share=0.2, restate=True)
WORLDS = pytest.mark.parametrize("world", [PLAIN, VARIED], ids=["plain", "varied"])
MAKERS = {
    "easy chain": lambda random: chain(random, 3),
    "hard chain": lambda random: chain(random, 4, 2),
    "chain with tens": lambda random: chain(random, 2, 0, tens=1.0),
    "easy equation": lambda random: equation(random),
    "hard equation": lambda random: equation(random, 2),
    "easy story": lambda random: story(random),
    "hard story": lambda random: story(random, 2),
    "training": lambda random: mixture.training_problem(random, World()),
    "pretraining": lambda random: mixture.pretraining_problem(random, World()),
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


@WORLDS
def test_every_teacher_response_verifies_and_every_step_is_right(world):
    random = Random(3)
    for _ in range(2000):
        problem = mixture.training_problem(random, world)
        response = styles.teacher_response(random, problem, replace(world, recheck=0.5))
        assert styles.boxed_answer(response) == str(problem.answer)
        assert wrong_equalities(response) == []


def test_the_check_of_equalities_sees_a_slip():
    assert wrong_equalities("First, 7*8=56+5=62. ") == ["7*8=56+5=62"]


def test_teacher_responses_open_recheck_and_conclude():
    response = styles.teacher_response(Random(0), parse("Compute 12+7*4-9"), replace(PLAIN, recheck=1.0))
    assert response.startswith("Okay, let me think. First, ")
    assert response.endswith("So the answer is \\boxed{67}")
    assert sum(response.count(word) for word in vocabulary.THINKING_WORDS) == 3


def test_teacher_responses_are_longer_than_the_base_manner():
    random, encode = Random(4), vocabulary.tokenizer().encode
    sample = [mixture.training_problem(random, PLAIN) for _ in range(400)]
    teacher = sum(len(encode(styles.teacher_response(random, p, PLAIN)).ids) for p in sample)
    base = sum(len(encode(styles.base_response(random, p, PLAIN)).ids) for p in sample)
    assert teacher > 1.5 * base


@settings(max_examples=500)
@given(st.lists(st.sampled_from(vocabulary.words(varied=True))))
def test_every_concatenation_of_words_round_trips(words):
    text = "".join(words)
    tokenizer = vocabulary.tokenizer(varied=True)
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@WORLDS
def test_every_generated_text_becomes_its_words(world):
    random, varied = Random(5), world.wording == "varied"
    tokenizer, seen = vocabulary.tokenizer(varied), set()
    for _ in range(4000):
        question, _, response, given = mixture.pretraining_text(random, world)
        for text in (question, given + response):
            encoding = tokenizer.encode(text)
            assert tokenizer.decode(encoding.ids) == text
            assert all(token in vocabulary.words(varied) for token in encoding.tokens)
            seen |= set(encoding.tokens)
    # No word is there in vain, but what a template or the teacher alone says.
    alone = {".\nA:", "\nOptions: "} | (set() if varied else set(vocabulary.THINKING_WORDS))
    assert set(vocabulary.words(varied)) - seen <= alone


@WORLDS
def test_a_page_begins_with_an_opening_that_is_given(world):
    random, openers = Random(9), phrases.phrases(world).openers
    pages = [mixture.page(random, world) for _ in range(200)]
    assert {page.given for page in pages} == set(openers)
    assert not any(styles.opening(page.response, world) for page in pages)
    assert all(styles.opening(page.given + page.response, world) == page.given for page in pages)


def test_pages_and_drills_have_the_shares_that_the_world_says():
    random, world = Random(10), World(page_share=0.3, drill_share=0.2, teacher_like=0.0, choice_share=0.0)
    texts = [mixture.pretraining_text(random, world) for _ in range(4000)]
    assert abs(sum(bool(text.given) for text in texts) / len(texts) - 0.3) < 0.02
    splits = sum(text.question.startswith("Split") for text in texts) / len(texts)
    assert abs(splits - 0.4 * 0.2) < 0.015  # the part of the drills that splits a number


def test_a_worked_sum_goes_from_either_end():
    step = Step("-", 62, 28)
    assert styles.worked_step(step) == "62-28: 62-20=42-8=34, 62-28=34"
    assert styles.worked_step(step, ones_first=True) == "62-28: 62-8=54-20=34, 62-28=34"


def test_prompts_whose_demonstration_would_not_fit_are_not_taken():
    world = {"wording": "varied", "recheck": 0.3}
    rows = prompts.prompts({"count": 300, "longest": 40, "world": world}).rows
    tokenizer = vocabulary.tokenizer(varied=True)
    made = embedded.demonstrations({"world": world}, rows)
    lengths = [len(tokenizer.encode(one.response).ids) + 1 for one in made]
    assert max(lengths) == 40
    every = prompts.prompts({"count": 2000, "world": world}).rows
    fitting = [row for row in every if row["id"] in {kept["id"] for kept in rows}]
    assert fitting == rows  # the same draw, less what is too long


@pytest.mark.parametrize(
    ("knobs", "key"),
    [
        ({"slip": 1.5}, "world.slip"),
        ({"teacher_like": 0.6, "guess": 0.5}, "world.guess"),
        ({"page_share": 0.95, "drill_share": 0.1}, "world.page_share"),
        ({"chains": [[2, 3]]}, "world.chains"),
        ({"chains": []}, "world.chains"),
        ({"other_hard": [3]}, "world.other_hard"),
        ({"wording": "rich"}, "world.wording"),
        ({"slips": 0.1}, "world.slips: unknown key; did you mean 'slip'"),
    ],
)
def test_a_knob_out_of_range_is_named(knobs, key):
    with pytest.raises(ConfigError, match=re.escape(key)):
        from_mapping(World, knobs, "world")


def test_two_digit_numbers_are_one_token():
    assert vocabulary.tokenizer().encode("34+28=62").tokens == ["34", "+", "28", "=", "62"]


def test_text_outside_the_vocabulary_is_not_hidden():
    with pytest.raises(Exception, match="UNK"):
        vocabulary.tokenizer().encode("Integrate")


def test_prompts_benchmarks_and_pretraining_share_no_question():
    training = {row["question"] for row in prompts.prompts({"count": 2000}).rows}
    tested = {row["question"] for name in benchmarks.RECIPES for row in benchmarks.rows(name)}
    random = Random(6)
    read = {mixture.pretraining_text(random, VARIED).question for _ in range(5000)}
    read |= {mixture.teacher_text(random, World()).question for _ in range(5000)}
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
    world = World(teacher_like=0.0, guess=0.0, unboxed=0.0, slip=0.1, hard_slip=0.4)
    for hard, share in ((0, 0.1), (1, 0.4)):
        sample = [chain(random, 1, hard) for _ in range(4000)]
        wrong = [styles.boxed_answer(styles.base_response(random, p, world)) != str(p.answer) for p in sample]
        assert abs(sum(wrong) / len(wrong) - share) < 0.02


def test_largest_value_is_one_token():
    assert str(problems.LARGEST) in vocabulary.NUMBERS
