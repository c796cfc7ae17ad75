import time

from hypothesis import given
from hypothesis import strategies as st

from red.grading.extract import LONGEST_RESPONSE, final_text, last_box

BALANCED = st.recursive(
    st.text("ab1+ ", max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{" + "".join(parts) + "}"),
    max_leaves=8,
)


def test_last_complete_box_wins():
    assert last_box(r"\boxed{3} then \boxed{5} and \boxed{6") == "5"


def test_fbox_counts_and_space_before_the_brace_is_allowed():
    assert last_box(r"\fbox {x+\frac{1}{2}}") == r"x+\frac{1}{2}"


def test_a_box_that_holds_only_a_box_has_its_content():
    assert last_box(r"\boxed{ \boxed{\fbox{\frac{1}{2}}}}") == r"\frac{1}{2}"
    assert last_box(r"\boxed{x=\boxed{7}}") == r"x=\boxed{7}"


def test_escaped_braces_do_not_close_a_box():
    assert last_box(r"\boxed{\{1,2\}}") == r"\{1,2\}"


def test_line_break_before_a_box_does_not_escape_it():
    assert last_box(r"x\\\boxed{1}") == "1"
    assert last_box(r"\\boxed{1}") == "1"


def test_incomplete_unbraced_or_misspelled_boxes_are_no_boxes():
    for text in (r"\boxed{\frac{1}{2}", r"\boxed 5", r"\Boxed{4}", "boxed{4}", ""):
        assert last_box(text) is None


def test_extra_closing_braces_are_harmless():
    assert last_box(r"}}\boxed{11}}}}") == "11"


@given(BALANCED, BALANCED)
def test_content_of_a_complete_box_comes_back_unchanged(before, content):
    assert last_box(before + r"\boxed{" + content + "} end") == content


@given(st.text("\\{}boxedfbx 1", max_size=60))
def test_a_found_box_stands_in_the_text(text):
    content = last_box(text)
    assert content is None or "{" + content + "}" in text


def test_time_is_linear_in_the_number_of_boxes():
    for hostile in (r"\boxed{" * 60_000, r"\boxed{" * 60_000 + "}" * 60_000, "{" * 400_000, r"\boxed" * 60_000):
        started = time.process_time()
        last_box(hostile)
        assert time.process_time() - started < 2


def test_only_the_text_after_the_last_thought_counts():
    assert final_text("<think>a</think> b </think> c") == " c"
    assert final_text("no thought") == "no thought"


def test_open_thought_has_no_final_text():
    assert final_text(r"<think>\boxed{5}") is None
    assert final_text(r"<think>a</think>b<think>\boxed{5}") is None


def test_thought_opened_by_the_prompt_must_be_closed():
    assert final_text(r"\boxed{5}", thought_open=True) is None
    assert final_text(r"so</think>\boxed{5}", thought_open=True) == r"\boxed{5}"


def test_only_the_end_of_a_long_response_is_read():
    assert len(final_text("x" * (LONGEST_RESPONSE + 7))) == LONGEST_RESPONSE
