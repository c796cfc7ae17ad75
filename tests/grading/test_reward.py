"""Which answer of a response earns: the rules of docs/methods.md section 0.5, kind by kind, on one gold answer."""

from typing import get_args, get_type_hints

import pytest

from red.grading.reward import RULES, RewardJudge, first_solution
from red.methods.base import Reward

GOLD = r"\frac{1}{2}"
RIGHT, WRONG, BARE = r"\boxed{\frac{1}{2}}", r"\boxed{\frac{1}{3}}", r"The answer is $\frac{1}{2}$."
THOUGHT = r"Perhaps \boxed{\frac{1}{7}}?"

# kind: (response, whether the prompt opened a thought), then what strict, luffy and anywhere give
TABLE = {
    "a box after the thought": (f"{THOUGHT}</think>{RIGHT}", True, 1, 1, 1),
    "a wrong box after the thought": (f"{THOUGHT}</think>{WRONG}", True, 0, 0, 0),
    "an answer without a box": (f"{THOUGHT}</think>{BARE}", True, 0, 1, 0),
    "an answer without a box or a formula": (f"{THOUGHT}</think>It is 1/2", True, 0, 1, 0),
    "an answer without a box, emphasized": (f"{THOUGHT}</think>It is **1/2**", True, 0, 0, 0),
    "a box that stays open": (f"{THOUGHT}</think>{BARE} \\boxed{{", True, 0, 1, 0),
    "no answer after the thought": (f"{THOUGHT}</think>Done.", True, 0, 0, 0),
    "right in the thought, nothing after it": (f"{RIGHT}</think>Done.", True, 0, 0, 1),
    "right in the thought, wrong after it": (f"{RIGHT}</think>{WRONG}", True, 0, 0, 0),
    "right in a thought that never ends": (RIGHT, True, 0, 0, 1),
    "a thought that the response opens and never ends": (f"<think>{RIGHT}", False, 0, 0, 1),
    "a second closing tag, right before it": (f"{THOUGHT}</think>{RIGHT}</think>{WRONG}", True, 0, 1, 0),
    "a second closing tag, right behind it": (f"{THOUGHT}</think>{WRONG}</think>{RIGHT}", True, 1, 0, 1),
    "the answer repeated behind a second closing tag": (f"{THOUGHT}</think>{RIGHT}</think>{RIGHT}", True, 1, 1, 1),
    "another thought after the answer": (f"{THOUGHT}</think>{RIGHT}<think>Sure?", True, 0, 1, 1),
    "another whole thought before the answer": (f"{THOUGHT}</think>Hm.<think>{THOUGHT}</think>{RIGHT}", True, 1, 0, 1),
    "two boxes in formulas, the last right": (f"{THOUGHT}</think>${WRONG}$ no, ${RIGHT}$", True, 1, 1, 1),
    "two boxes in formulas, the last wrong": (f"{THOUGHT}</think>${RIGHT}$ no, ${WRONG}$", True, 0, 0, 0),
    "no thought was opened": (RIGHT, False, 1, 1, 1),
    "no thought was opened, no box": (BARE, False, 0, 1, 0),
    "nothing": ("", True, 0, 0, 0),
}


@pytest.fixture(scope="module")
def judges():
    made = {rule: RewardJudge(rule=rule) for rule in RULES}
    yield made
    for judge in made.values():
        judge.grader.close()


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_gives_what_the_table_says(rule, judges):
    column = list(RULES).index(rule)
    found = judges[rule]([(response, GOLD, opened) for response, opened, *_ in TABLE.values()])
    expected = [float(values[column]) for _, _, *values in TABLE.values()]
    assert dict(zip(TABLE, found, strict=True)) == dict(zip(TABLE, expected, strict=True))


@pytest.mark.parametrize("kind", TABLE)
def test_the_column_of_luffy_is_what_its_recipe_gives(kind):
    """math-verify on what stands behind the first closing tag, as LUFFY's reward calls it."""
    from math_verify import parse, verify

    response, opened, _, luffy, _ = TABLE[kind]
    whole = "<think>\n" + response if opened else response
    pieces = whole.split("</think>")
    if "<think>" not in whole:
        text = whole
    elif len(pieces) > 1:
        text = pieces[1]
    else:
        text = None
    # Its clocks are off: on a busy machine they would decide.
    gold, answer = parse(f"${GOLD}$", parsing_timeout=None), text and parse(text, parsing_timeout=None)
    assert bool(luffy) is bool(answer and verify(gold, answer, timeout_seconds=None))


def test_the_default_is_the_strict_verdict_of_evaluation():
    from red.grading.grader import Case, Grader

    with Grader(workers=1) as grader, RewardJudge() as judge:
        cases = [(response, GOLD, opened) for response, opened, *_ in TABLE.values()]
        verdicts = [v.correct for v in grader.grade(Case(r, g, thought_open=o) for r, g, o in cases)]
        assert judge(cases) == [float(correct) for correct in verdicts]


def test_a_run_may_name_every_rule_and_no_other():
    assert get_args(get_type_hints(Reward)["rule"]) == tuple(RULES)
    assert Reward().rule == "strict"


def test_luffy_reads_between_the_first_two_closing_tags():
    assert first_solution("a</think>b</think>c", True) == "b"
    assert first_solution("a</think>b", False) == "b"
    assert first_solution("a", True) is None
    assert first_solution("a", False) == "a"
    assert first_solution("<think>a", False) is None
