"""One definition of length: the end token counts where it was sampled."""

from red.sampling.response import Response, until_stop


def test_the_end_token_ends_counts_and_is_no_text():
    response = until_stop([5, 6, 1, 7], (1, 2))
    assert response == Response([5, 6, 1], "stop")
    assert len(response.tokens) == 3 and response.text_tokens == [5, 6]


def test_without_an_end_token_the_response_is_cut_and_all_of_it_is_text():
    response = until_stop([5, 6], (1,))
    assert response.finish_reason == "length" and response.text_tokens == response.tokens == [5, 6]
