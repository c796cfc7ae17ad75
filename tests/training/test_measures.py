"""What is counted in the texts of a step."""

from red.training.measures import overthinking


def test_thinking_words_are_whole_words_in_any_case():
    texts = ["But wait, hmm.", "We distribute the butter and await it.", "Let me check again: fine"]
    assert overthinking(texts, 40) == {"words/overthink_per_1k": 100.0}


def test_a_step_without_tokens_has_no_rate():
    assert overthinking([], 0) == {}
