"""Corruptions touch exactly the drawn prompts, in the way their names say."""

import re
from dataclasses import replace
from random import Random

import pytest

from red.data import corruption
from red.data.corruption import Tools
from red.data.demonstrations import CorruptionSpec, corrupted, demonstrations
from red.data.prompts import prompts
from red.data.sources import Demonstration
from red.errors import ConfigError
from red.grading.reward import RewardJudge
from red.plumbing.records import from_mapping
from red.world import vocabulary
from red.world.styles import boxed_answer

PROMPTS = prompts({"count": 300}).rows
ANSWERS = {row["id"]: row["answer"] for row in PROMPTS}


def judge(cases) -> list[float]:
    """Boxes of whole numbers, compared as texts."""
    return [float(boxed_answer(response) == gold) for response, gold, _ in cases]


def clean_rows() -> list[Demonstration]:
    return [Demonstration(**row) for row in demonstrations({}, PROMPTS, judge).rows]


def tools(share_with_wrong: float = 1.0) -> Tools:
    """Wrong responses exist for a share of the prompts."""
    return Tools(
        verify=lambda name, text: boxed_answer(text) == ANSWERS[name],
        wrong_responses={
            name: f"\\boxed{{{(int(ANSWERS[name]) + 1) % 100}}}"
            for name in ANSWERS
            if int(name[-2:]) < 100 * share_with_wrong
        },
    )


def corrupt(name: str, rate: float, seed: int = 1, share: float = 1.0) -> list[Demonstration]:
    return corruption.named(name)(clean_rows(), rate, seed, tools(share))


def test_clean_demonstrations_all_verify():
    with RewardJudge() as judge:
        made = demonstrations({}, PROMPTS, judge)
    assert made.summary["failing_verifier"] == 0
    assert [row["id"] for row in made.rows] == [row["id"] for row in PROMPTS]
    assert all(row["forced_accuracy"] is None and row["corruption"] is None for row in made.rows)


@pytest.mark.parametrize("name", ["noisy_labels", "adversarial_chains"])
def test_rate_order_and_the_other_rows_are_kept(name):
    before, after = clean_rows(), corrupt(name, 0.2)
    assert [row.id for row in after] == [row.id for row in before]
    assert sum(row.corruption is not None for row in after) == 60
    for old, new in zip(before, after, strict=True):
        assert new.corruption is not None or new == old


@pytest.mark.parametrize("name", ["noisy_labels", "adversarial_chains"])
def test_equal_seeds_corrupt_equally(name):
    assert corrupt(name, 0.2, seed=5) == corrupt(name, 0.2, seed=5)
    assert corrupt(name, 0.2, seed=5) != corrupt(name, 0.2, seed=6)


@pytest.mark.parametrize("name", ["noisy_labels", "adversarial_chains"])
def test_rate_zero_changes_nothing(name):
    assert corrupt(name, 0.0) == clean_rows()


def test_noisy_labels_are_half_wrong_scored_one_and_half_right_scored_zero():
    rows = corrupt("noisy_labels", 0.2)
    wrong = [row for row in rows if row.corruption == "wrong_response"]
    zero = [row for row in rows if row.corruption == "forced_zero"]
    assert (len(wrong), len(zero)) == (30, 30)
    assert all(row.forced_accuracy == 1 for row in wrong)
    assert all(boxed_answer(row.response) != ANSWERS[row.id] for row in wrong)
    originals = {row.id: row.response for row in clean_rows()}
    assert all(row.forced_accuracy == 0 and row.response == originals[row.id] for row in zero)


def test_noisy_labels_corrupt_fewer_prompts_if_wrong_responses_are_missing():
    rows = corrupt("noisy_labels", 0.4, share=0.05)
    assert sum(row.corruption == "wrong_response" for row in rows) == 15
    assert sum(row.corruption == "forced_zero" for row in rows) == 60


def test_the_prompts_of_a_low_rate_are_among_those_of_a_high_one():
    low, high = ({row.id for row in corrupt("noisy_labels", q) if row.corruption} for q in (0.1, 0.4))
    assert low < high


def test_adversarial_chains_still_verify_but_reason_wrongly():
    rows = corrupt("adversarial_chains", 0.3)
    originals = {row.id: row.response for row in clean_rows()}
    encode = vocabulary.tokenizer(varied=True).encode
    kinds = {"altered_numbers": 0, "spliced": 0}
    for row in rows:
        if row.corruption is None:
            continue
        kinds[row.corruption] += 1
        assert row.forced_accuracy is None
        assert row.response != originals[row.id]
        assert boxed_answer(row.response) == ANSWERS[row.id]
        before, after = len(encode(originals[row.id]).ids), len(encode(row.response).ids)
        assert abs(after - before) <= 0.2 * before  # 10 % in words; a token is a word or a phrase
    assert kinds == {"altered_numbers": 45, "spliced": 45}


def test_an_altered_number_is_propagated_to_its_next_mention_only():
    text = "Let us think about this. First, 3*4=12. Then 12+5, and 12 is even. So it is \\boxed{17}"
    for seed in range(10):
        altered = corruption._alter(Random(seed), text, [])
        value = re.search(r"=(-?\d+)\.", altered)[1]
        assert value in ("13", "11", "21", "-12")
        assert altered == text.replace("=12. Then 12", f"={value}. Then {value}")


def test_only_the_thought_is_broken():
    text = "<think>\nx=1\n\ny=2\n\nz=3\n\nw=4\n</think>\n\nso k=5 \\boxed{5}"
    assert text[corruption._thought_end(text) :] == "</think>\n\nso k=5 \\boxed{5}"


def test_a_wrong_trace_has_a_slip_that_is_carried_to_the_answer():
    rows, originals = corrupt("wrong_traces", 1.0), clean_rows()
    assert [row.response for row in rows] == [row.response for row in originals]
    assert all(row.corruption == "wrong_trace" and row.forced_accuracy is None for row in rows)
    for row in rows:
        told, answer = boxed_answer(row.wrong), ANSWERS[row.id]
        assert told != answer
        # Up to the slip it is the demonstration, behind it no place has the right answer.
        same = next(i for i, pair in enumerate(zip(row.wrong, row.response, strict=False)) if len(set(pair)) > 1)
        assert re.search(r"=-?\d*$", row.wrong[:same])
        assert not re.search(rf"(?<![\d-]){answer}(?!\d)", row.wrong[same:])


def test_a_wrong_trace_slips_at_the_first_result_that_is_the_answer():
    text = "I take 17 and 5: 12+5=17. Or 1.7*10=17, and 170=170. Is 17 right? So \\boxed{17}"
    slipped = {corruption._slipped(Random(seed), text) for seed in range(20)}
    assert slipped == {
        f"I take 17 and 5: 12+5={v}. Or 1.7*10={v}, and 170=170. Is {v} right? So \\boxed{{{v}}}"
        for v in ("18", "16", "71", "-17")
    }


@pytest.mark.parametrize("text", ["2+3=5", "so \\boxed{x}", "3.5 = 3.5 \\boxed{3.5}", "\\boxed{5}", "15=15 \\boxed{5}"])
def test_what_has_no_whole_number_as_a_result_gets_no_wrong_trace(text):
    assert corruption._slipped(Random(1), text) is None


def test_another_prompt_takes_the_place_of_one_without_a_wrong_trace():
    rows = [replace(row, response="no box") if i % 2 else row for i, row in enumerate(clean_rows())]
    made = corruption.named("wrong_traces")(rows, 0.4, 1, tools())
    assert sum(row.wrong is not None for row in made) == 120
    assert not any(row.wrong for row in made[1::2])


def test_unknown_corruptions_and_helpers_are_refused():
    for name in ("gibberish", "named", "replace"):
        with pytest.raises(ConfigError, match="adversarial_chains, clean, noisy_labels, wrong_traces"):
            corruption.named(name)


def test_noisy_labels_need_wrong_responses():
    with pytest.raises(ConfigError, match="--wrong-responses"):
        corrupted(CorruptionSpec(corruption="noisy_labels"), PROMPTS, clean_rows(), None, judge)


def test_rates_outside_zero_and_one_are_refused():
    with pytest.raises(ConfigError, match="demonstrations.rate"):
        from_mapping(CorruptionSpec, {"rate": 1.5}, "demonstrations")
