"""Kinds of answers, a rule each: what is the same answer in another form, and what only looks like it."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from red.grading import verdict
from red.grading.answers.normalize import gold_text, light
from red.grading.answers.structure import split
from red.grading.choice import grade_choice
from red.grading.math import grade_math
from tests.grading.properties import decided

few = settings(deadline=None, max_examples=12)
SMALL = st.integers(2, 99)
WORDS = st.sampled_from(
    ["isosceles", "equilateral", "Area", "island", "is parallel", "Tuesday", "no", "yes", "equal sides"]
)


@few
@given(
    WORDS,
    st.sampled_from([r"\text{{{}}}", r"\textbf{{{}}}", r"\mathbf{{{}}}", "{}", r"\text{{The answer is {}}}", "{}."]),
)
def test_words_are_themselves_in_any_font_and_case(word: str, form: str):
    gold = rf"\text{{{word}}}"
    assert decided(gold, form.format(word)) and decided(gold, form.format(word.lower()))
    assert decided(gold, form.format(word[::-1])) is False


@few
@given(st.permutations("stripe"), st.permutations("stripe"))
def test_letters_of_a_word_or_an_order_do_not_commute(one, other):
    gold, answer = "".join(one), "".join(other)
    assert decided(gold, answer) is (gold == answer)
    assert decided(gold.upper(), answer.upper()) is (gold == answer)


@few
@given(SMALL, SMALL)
def test_a_product_of_two_letters_commutes_and_keeps_its_case(a: int, b: int):
    one, other = chr(ord("a") + a % 26), chr(ord("a") + b % 26)
    pair = one + other
    assume(not {pair, other + one} & {"pi", "mu", "oo"})  # names of one symbol
    assert decided(pair, other + one) is (pair.lower() not in ("no", "on") or one == other)
    assert decided(pair, pair.upper()) is (pair == "no")


@few
@given(
    st.integers(1, 89),
    st.sampled_from([r"\{} {}^\circ", r"\{}({}^{{\circ}})", r"\{} {}°", r"\{}({} \text{{ degrees}})"]),
)
def test_degrees_inside_functions_are_degrees(angle: int, form: str):
    assert decided(rf"\sin {angle}^\circ", form.format("sin", angle)) in (True, None)
    assert decided(rf"\sin {angle}^\circ", form.format("cos", 90 - angle)) is None  # equal, which algebra finds
    assert decided(rf"\sin {angle}^\circ", rf"\sin {angle}") is False
    assert decided(rf"\sin {angle}^\circ", form.format("sin", angle + 1)) is False


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("sqrt(x+1)", r"\sqrt{x+1}"),
        ("3*sqrt(2)", r"3\cdot\sqrt{2}"),
        ("2*pi/3", r"2\cdot\pi/3"),
        ("x^(n+1)", "x^{n+1}"),
        ("arcsin(x)", r"\arcsin(x)"),
        ("theta", r"\theta"),
        (r"\frac\pi2", r"\frac{\pi}{2}"),
        ("-inf", r"-\infty"),
        ("cbrt(7)", r"\sqrt[3]{7}"),
        (r"7^\frac{2}{3}", r"7^{\frac{2}{3}}"),
    ],
)
def test_the_notation_of_programs_is_that_of_formulas(plain: str, latex: str):
    assert decided(plain, latex) and decided(latex, plain)


@few
@given(
    SMALL,
    SMALL,
    st.sampled_from(["cases", "array}{l", "aligned", "align*", "gathered"]),
    st.sampled_from(["", "[4pt]"]),
)
def test_rows_of_a_system_are_a_solution(x: int, y: int, environment: str, gap: str):
    rows = rf"\begin{{{environment}}} y &= {y} \\{gap} x &= {x} \end{{{environment.split('}')[0]}}}"
    assert decided(f"({x},{y})", rows)
    assert decided(f"({y},{x})", rows) is (x == y)
    assert decided(f"{x}, {y}", rf"\left\{{{rows}\right.")


ENDS = st.tuples(st.integers(-50, 50), st.integers(-50, 50)).filter(lambda ends: ends[0] < ends[1])


@few
@given(ENDS)
def test_a_union_of_intervals_is_one_of_relations(ends):
    low, high = ends
    union = rf"(-\infty,{low})\cup[{high},\infty)"
    for answer in (
        rf"x<{low} \text{{ or }} x\ge {high}",
        rf"x \geq {high} \lor {low} > x",
        f"[{high}, +∞) ∪ (-∞, {low})",
        rf"\{{x \mid x<{low} \text{{ or }} x \ge {high}\}}",
    ):
        assert decided(union, answer)
        assert decided(rf"(-\infty,{low}]\cup[{high},\infty)", answer) is False
    assert decided(union, f"x<{low}") is False
    assert decided(union, rf"x<{low} \text{{ and }} x\ge {high}") is not True


@few
@given(ENDS)
def test_a_chain_of_relations_is_an_interval_from_both_sides(ends):
    low, high = ends
    for form in ("{}<x<{}", "{1}>x>{0}", r"x>{} \text{{ and }} x<{}", r"x \in ({},{})"):
        answer = form.format(low, high)
        assert decided(f"{low} < x < {high}", answer)
        assert decided(f"{low} < y < {high}", answer) is False
        assert decided(rf"{low} \le x < {high}", answer) is False


@few
@given(SMALL, SMALL, st.integers(-3, 3))
def test_a_congruence_is_its_residues(residue: int, modulus: int, turns: int):
    gold = rf"x \equiv {residue} \pmod{{{modulus}}}"
    assert decided(gold, rf"x\equiv {residue + turns * modulus} \ (\text{{mod }} {modulus})")
    assert decided(gold, rf"x\equiv {residue + 1} \pmod {modulus}") is False
    assert decided(gold, rf"x\equiv {residue} \pmod{{{modulus + 1}}}") is False
    assert decided(str(residue % modulus), rf"{residue} \bmod {modulus}")


@few
@given(st.integers(1, 12), st.integers(0, 59))
def test_a_time_has_minutes_and_half_a_day(hour: int, minute: int):
    time = f"{hour}:{minute:02}"
    assert decided(f"{time} p.m.", rf"{time} \text{{ PM}}") and decided(time, time.replace(":", "{:}"))
    assert decided(f"{hour % 12 + 12}:{minute:02}", f"{time} pm")
    assert decided(f"{time} p.m.", rf"{time}\text{{ a.m.}}") is False
    assert decided(time, f"{hour}/{minute:02}") is False


@few
@given(SMALL, SMALL)
def test_a_ratio_has_an_order(one: int, other: int):
    assert decided(f"{one}:{other}:1", f"{one} : {other} : 1")
    assert decided(f"{one}:{other}:1", f"{other}:{one}:1") is (one == other)


@pytest.mark.parametrize(
    ("word", "value"), [("seven", 7), ("twelve", 12), ("twenty-one", 21), ("ninety nine", 99), ("six hundred", 600)]
)
def test_number_words_are_numbers(word: str, value: int):
    assert decided(str(value), rf"\text{{{word}}}") and decided(rf"\text{{{word.capitalize()}}}", str(value))
    assert decided(str(value + 1), rf"\text{{{word}}}") is False


@few
@given(SMALL)
def test_a_magnitude_counts(number: int):
    assert decided(str(number * 10**6), rf"{number} \text{{ million}}")
    assert decided(str(number), rf"{number} \text{{ million}}") is False
    assert decided(rf"{number} \text{{ thousand dollars}}", f"{number},000")


@few
@given(
    SMALL,
    st.sampled_from(["个", "平方米", "千米/时", "元", "円"]),
    st.sampled_from(["答案是{}", "答：{}。", "最大值为{}", "面积={}"]),
)
def test_chinese_units_and_labels(number: int, unit: str, label: str):
    assert decided(str(number), label.format(f"{number}{unit}"))
    assert decided(str(number), label.format(f"{number + 1}{unit}")) is False
    assert decided(str(number), f"{number}万") is not True
    assert decided(str(number), f"可能是{number}") is False


@few
@given(
    SMALL,
    st.sampled_from(
        [
            r"{} \text{{ if }} x>0",
            "{} maybe",
            r"\text{{not }} {}",
            "{}?",
            r"{} \text{{ or more}}",
            r"\text{{If }} x=1 \text{{ then }} {}",
        ]
    ),
)
def test_a_condition_a_guess_and_a_denial_are_no_answer(number: int, hedge: str):
    assert decided(str(number), hedge.format(number)) is False


@pytest.mark.parametrize(
    "label",
    [
        "P(A \\cap B)",
        r"\text{Area of } ABC",
        r"\angle ABC",
        "|AB|",
        r"\vec v \cdot \vec w",
        "f'(2)",
        r"\lim_{x\to 0} f(x)",
    ],
)
def test_a_label_is_no_part_of_the_answer(label: str):
    assert decided("0.3", f"{label} = 0.3")
    assert decided("0.3", f"{label} = 0.4") is False


@few
@given(st.integers(1, 99).filter(lambda number: number != 100))
def test_a_percentage_below_one_is_no_count(hundredths: int):
    share = f"0.{hundredths:02}"
    assert decided(share, rf"{share}\%") is False
    assert decided(f"0.00{hundredths:02}", rf"{share}\%")


@pytest.mark.parametrize("unit", ["cm", "cm^2", "m/s", "m/s^2", "kg"])
def test_known_units_differ(unit: str):
    others = {"cm": "km", "cm^2": "cm^3", "m/s": "km/h", "m/s^2": "m/s", "kg": "g"}
    assert decided(rf"5\ \mathrm{{{unit}}}", rf"5\,\text{{{unit}}}")
    assert decided(rf"5\ \mathrm{{{unit}}}", rf"5\,\text{{{others[unit]}}}") is False


@few
@given(
    SMALL,
    st.sampled_from(
        ["|{}|", r"\left|{}\right|", "{}^2", "2{}", "-{}", r"\frac{{1}}{{{}}}", r"\sqrt{{{}}}", r"2^{}", "3+{}"]
    ),
    st.sampled_from(["x", "y"]),
)
def test_an_equation_that_is_not_solved_states_no_value(number: int, form: str, name: str):
    assert decided(str(number), f"{form.format(name)} = {number}") is False


@few
@given(SMALL, st.sampled_from(["x", "x_1", "x(3)", "x'(0)", "f(x)", "|z|", r"\bar{x}", "x+y", "xy", "x_1x_2", "2r"]))
def test_what_names_a_quantity_is_a_label(number: int, name: str):
    assert decided(str(number), f"{name} = {number}")


def test_an_arrow_between_letters_settles_on_none_of_them():
    for arrow in (r"\to", r"\rightarrow", r"\implies", "→", "->"):
        assert decided("A", f"A {arrow} B") is not True


@few
@given(SMALL, st.sampled_from([r"\text{{{} apples}}", r"\text{{{} cm}}", r"\textbf{{{} hours}}"]))
def test_a_number_and_its_unit_may_share_the_text(number: int, form: str):
    assert decided(str(number), form.format(number))
    assert decided(str(number), form.format(number + 1)) is False
    assert decided(str(number), rf"\text{{{number} or more}}") is False


@few
@given(SMALL, st.sampled_from([r"\not=", r"\not =", "!=", " != ", "=/="]))
def test_any_sign_of_inequality_denies(number: int, sign: str):
    assert decided(str(number), f"x{sign}{number}") is not True
    assert decided(rf"x \ne {number}", f"x{sign}{number}")


def test_a_version_is_no_number():
    assert decided("5", "5.0") and decided("5", "5.0.0") is not True


@few
@given(SMALL, st.sampled_from([("kg", "g"), ("km", "m"), ("cm", "m"), ("hours", "s"), ("m/s", "km"), ("g", "kg")]))
def test_a_bare_unit_is_compared_too(number: int, units):
    unit, other = units
    assert decided(rf"{number}\text{{ {unit}}}", f"{number} {other}") is False
    assert decided(str(number), f"{number} {other}")


@few
@given(
    SMALL, st.sampled_from([("\\${}", r"{}\text{{ cents}}"), ("\\${}", "{} euros"), (r"{}^\circ", r"{}\text{{ rad}}")])
)
def test_a_sign_is_a_unit_beside_another_of_its_kind(number: int, forms):
    one, other = (form.format(number) for form in forms)
    assert decided(one, other) is False and decided(other, one) is False
    assert decided(one, one) and decided(one, str(number))


@few
@given(SMALL, st.sampled_from(["th", " tenths", " hundredths", " fifths", " below zero", " years ago", "ish", " plus"]))
def test_words_that_change_a_number_are_no_unit(number: int, words: str):
    assert decided(str(number), rf"{number}\text{{{words}}}") is not True


@few
@given(SMALL, st.sampled_from(["k", "m", "t"]))
def test_a_family_runs_over_the_same_numbers_by_any_letter(factor: int, letter: str):
    gold = rf"{factor}\pi n, n\in\mathbb{{Z}}"
    assert decided(gold, rf"{factor}\pi {letter},\ {letter}\in\mathbb{{Z}}") is not False
    assert decided(gold, rf"{factor}\pi {letter} \text{{ where }} {letter}\in\mathbb{{N}}") is False
    assert decided(gold, rf"{factor + 1}\pi {letter}, {letter}\in\mathbb{{Z}}") is False


@few
@given(
    SMALL,
    st.sampled_from(
        [r"x={} \text{{ (extraneous)}}", r"\text{{assuming }} x={}", r"\text{{suppose }} x={}", "let x={}"]
    ),
)
def test_what_is_supposed_is_no_answer(number: int, hedge: str):
    assert decided(str(number), hedge.format(number)) is False


def test_a_label_with_a_hedge_is_none():
    assert decided(r"\text{even}", r"\text{neither odd is even}") is False


@few
@given(ENDS)
def test_an_interval_is_no_list_of_its_ends(ends):
    low, high = ends
    for gold in (f"[{low},{high}]", f"[{low},{high})", f"({low},{high}]", f"{low}<x<{high}"):
        assert decided(gold, f"{low},{high}") is False


@few
@given(SMALL, SMALL)
def test_values_without_names_come_in_the_order_of_the_names(x: int, y: int):
    for gold in (f"x={x},y={y}", f"y={y},x={x}"):
        assert decided(gold, f"{x}, {y}") and decided(gold, f"y={y}, x={x}")
        assert decided(gold, f"{y}, {x}") is (x == y)


def test_the_set_of_the_empty_set_is_not_empty():
    assert decided(r"\emptyset", r"\{\}") and decided(r"\emptyset", r"\{\emptyset\}") is False


@pytest.mark.parametrize(
    "piece", [r"\in ", "=", "x=", "x_1=", ",", "|x|=", "!=", r"\text{5 ", r"k\in\mathbb{Z}", "(", "1.0"]
)
def test_the_longest_of_anything_is_a_verdict(piece: str):
    for length in (990, 4_900):
        text = (piece * length)[:length]
        assert decided("5", text) is not True and decided(text, "5") is not True


def test_a_mention_of_the_tag_opens_no_thought():
    assert grade_math(r"<think>x</think>\boxed{6}. I kept the <think> part short.", "6").correct
    assert grade_math(r"<think>x</think>\boxed{6} <think> but", "6").reason == verdict.UNCLOSED_THOUGHT


def test_every_gold_of_the_benchmarks_is_right_reordered_and_with_units(shared):
    missed = []
    for name in ("aime24", "aime25", "amc", "math500", "minerva", "olympiad"):
        for line in (shared / "benchmarks" / f"{name}.jsonl").read_text().splitlines():
            gold = json.loads(line)["answer"]
            text = gold_text(gold)
            forms = [gold, text + r"\text{ (exactly)}"]
            if len(parts := split(light(text))) > 1:
                forms.append(", ".join(reversed(parts)))
            if not any(map(str.isalpha, text)):
                forms.append(text + r"\text{ units}")
            missed += [(gold, form) for form in forms if decided(gold, form) is not True]
    assert missed == []


def test_every_option_of_the_benchmarks_is_right_by_letter_and_by_text(shared):
    for line in (shared / "benchmarks" / "arc_c.jsonl").read_text().splitlines():
        row = json.loads(line)
        options, answer = tuple(row["options"]), row["answer"]
        text = options[row["answer_index"]]
        assert grade_choice(rf"\boxed{{\text{{({answer})}}}}", answer, options).correct
        if options.count(text) == 1:
            assert grade_choice(rf"\boxed{{\text{{{text}}}}}", answer, options).correct, text
