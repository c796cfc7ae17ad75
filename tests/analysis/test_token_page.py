"""Figure 7: stages, thinking words, and a page that shows hostile text as text."""

import json
import re

import numpy as np

from analysis.measures.token_stages import STAGES, stages, thinking
from analysis.output.template import script_json
from analysis.output.token_page import page, without_files

HOSTILE = "</script><script>alert(1)</script><!-- & \u2028 <img src=x onerror=alert(1)>"


def example(token: str) -> dict:
    response = {"tokens": [token], "stage": [0], "thinking": [0], "correct": True, "trained": [0.5], "base": [0.25]}
    return {
        "stages": list(STAGES),
        "models": [{"run": "red", "label": token, "references": ["base"]}],
        "references": {"base": "base model"},
        "problems": {token: {"prompt": token, "gold": token}},
        "responses": {"red": {token: response}},
    }


def test_stages_are_first_sentence_then_quarters_of_the_thought():
    tokens = ["Let", " me", " think.", *[" x"] * 17, "</think>", " done", "."]
    # 20 tokens of thought: Open 0-2, Initial to 5, Intermediate to 15, Final the rest and the solution.
    expected = [0] * 3 + [1] * 2 + [2] * 10 + [3] * 8
    assert stages(tokens).tolist() == expected


def test_a_decimal_point_does_not_end_the_first_sentence():
    assert stages(["3", ".", "5", " is", " it", ".", " Yes"])[:6].tolist() == [0] * 6


def test_without_a_closing_tag_all_tokens_are_thought():
    assert stages([" a"] * 7 + [" b."])[-1] == 0  # one sentence: all Open
    assert stages(["a.", *[" b"] * 7]).tolist() == [0, 1, 2, 2, 2, 2, 3, 3]


def test_thinking_words_are_whole_words_and_phrases_over_tokens():
    tokens = ["Wait", ",", " butter", " But", " let", " me", " check", " again", "."]
    assert thinking(tokens).tolist() == [True, False, False, True, True, True, True, True, False]


def test_no_tokens_have_no_stage():
    assert stages([]).shape == (0,)
    assert thinking([]).dtype == np.bool_


def test_embedded_data_cannot_leave_its_script_element():
    text = script_json({"token": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"token": HOSTILE}


def test_hostile_text_is_never_markup():
    text = page(HOSTILE, HOSTILE, example(HOSTILE), {"csv": HOSTILE})
    assert text.count("<script") == 2  # the data and the program
    assert text.count("</script>") == 2
    assert "<img" not in text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data) == example(HOSTILE)


def test_the_page_needs_no_network_and_writes_text_only():
    text = page("Heading", "Note", example("x"), {})
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write", text)


def test_the_page_has_labels_legend_and_keys():
    text = page("Heading", "Note", example("x"), {})
    for part in ('<html lang="en">', "<label>", "aria-live", "ArrowRight", "thinking word", "dotted"):
        assert part in text


def test_the_item_carries_the_page_and_the_change_by_stage(build):
    figure = build("token_probabilities")
    text = figure.page({"csv": "a\n", "svg": b"<svg/>"})
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert [model["label"] for model in data["models"]] == ["GRPO", "LUFFY", "RED"]
    assert all(about["prompt"].startswith("What is ") and about["gold"] for about in data["problems"].values())
    assert {one["correct"] for of_run in data["responses"].values() for one in of_run.values()} == {True, False}
    assert 'download="token_probabilities.csv"' in text and "data:image/svg+xml" in text
    assert without_files(text, "Heading", "Note") == page("Heading", "Note", data, {})
    red = figure.numbers.query("run == 'red' and reference == 'base' and words == 'thinking'")
    grpo = figure.numbers.query("run == 'grpo' and reference == 'base' and words == 'thinking'")
    assert set(red["stage"]) == {"Initial", "Intermediate", "Final"}
    assert (red["mean"] > 0).all()
    assert (grpo["mean"] < 0).all()
