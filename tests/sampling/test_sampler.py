"""The sampler draws from the model's own distribution, deterministically, within each limit."""

import pytest
import torch

from red.sampling import sampler
from red.sampling.sampler import sample

PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [15], [20, 21, 22, 23]]


def draw(checkpoint, prompts=PROMPTS, seed=0, **changes):
    options = {
        "samples": 4,
        "max_new_tokens": 24,
        "stop_ids": (checkpoint.eos_id,),
        "temperature": 1.0,
        "generator": torch.Generator().manual_seed(seed),
    }
    return sample(checkpoint.model, prompts, **{**options, **changes})


def test_greedy_equals_transformers_token_by_token(checkpoint, tmp_path):
    from transformers import AutoModelForCausalLM

    from red.models import checkpoint as checkpoints

    checkpoints.save(checkpoint, tmp_path / "model")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])
    generated = theirs.generate(ids, attention_mask=mask, max_new_tokens=24, do_sample=False)[:, longest:]
    ours = draw(checkpoint, samples=1, temperature=0.0)
    for (one,), other in zip(ours, generated.tolist(), strict=True):
        assert one.tokens == other[: len(one.tokens)]
        assert one.finish_reason == ("stop" if one.tokens[-1] == checkpoint.eos_id else "length")


def test_every_greedy_token_is_the_most_likely_of_a_full_forward(checkpoint):
    for prompt, (one,) in zip(PROMPTS, draw(checkpoint, samples=1, temperature=0.0), strict=True):
        logits = checkpoint.model(torch.tensor([prompt + one.tokens]))[0]
        assert logits[len(prompt) - 1 : -1].argmax(-1).tolist() == one.tokens


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_sampled_frequencies_follow_the_forward_probabilities(checkpoint, temperature):
    groups = draw(checkpoint, [PROMPTS[1]], samples=20000, max_new_tokens=2, temperature=temperature)
    first = torch.tensor([one.tokens[0] for one in groups[0]])
    logits = checkpoint.model(torch.tensor([PROMPTS[1]]))[0, -1] / temperature
    expected = logits.softmax(-1)
    share = first.bincount(minlength=len(expected)) / len(first)
    # five standard errors of a binomial share, and nothing where the probability vanishes
    error = 5 * (expected * (1 - expected) / len(first)).sqrt() + 1e-4
    assert bool(((share - expected).abs() < error).all())


def test_the_second_token_follows_the_first_one_of_its_own_row(checkpoint):
    groups = draw(checkpoint, [PROMPTS[1], PROMPTS[2]], samples=4000, max_new_tokens=2)
    for prompt, group in zip([PROMPTS[1], PROMPTS[2]], groups, strict=True):
        pairs = [one.tokens for one in group if len(one.tokens) == 2]
        common = max({first for first, _ in pairs}, key=[first for first, _ in pairs].count)
        second = torch.tensor([b for a, b in pairs if a == common])
        expected = checkpoint.model(torch.tensor([[*prompt, common]]))[0, -1].softmax(-1)
        share = second.bincount(minlength=len(expected)) / len(second)
        assert bool(((share - expected).abs() < 5 * (expected / len(second)).sqrt() + 1e-3).all())


def test_the_decoder_gives_the_logits_of_a_full_forward(checkpoint):
    from red.models.decoder import Decoder

    with torch.inference_mode():
        decoder = Decoder(checkpoint.model, PROMPTS, samples=2, room=4)
        for token in (30, 31, 32):
            decoder.step(torch.full((8,), token))
        decoder.keep(torch.tensor([1, 2, 7]))
        for row, prompt in enumerate([PROMPTS[0], PROMPTS[1], PROMPTS[3]]):
            full = checkpoint.model(torch.tensor([[*prompt, 30, 31, 32]]))[0, -1]
            torch.testing.assert_close(decoder.logits[row], full, atol=1e-4, rtol=1e-4)


def test_equal_generators_give_equal_samples(checkpoint):
    assert draw(checkpoint, seed=3) == draw(checkpoint, seed=3)
    assert draw(checkpoint, seed=3) != draw(checkpoint, seed=4)


def test_samples_do_not_depend_on_when_rows_leave_the_batch(checkpoint, monkeypatch):
    expected = draw(checkpoint, samples=16)
    for share in (0.0, 1.0):
        monkeypatch.setattr(sampler, "LIVE_SHARE", share)
        assert draw(checkpoint, samples=16) == expected


def test_samples_do_not_depend_on_how_many_rows_are_decoded_together(checkpoint, monkeypatch):
    expected = draw(checkpoint)
    monkeypatch.setattr(sampler, "ROWS", {"cpu": 4})
    assert draw(checkpoint) == expected


def test_each_prompt_has_its_own_limit(checkpoint):
    limits = [1, 5, 2, 9]
    groups = draw(checkpoint, max_new_tokens=limits)
    for limit, group in zip(limits, groups, strict=True):
        for one in group:
            ended = one.tokens[-1] == checkpoint.eos_id
            assert one.finish_reason == ("stop" if ended else "length")
            assert len(one.tokens) <= limit if ended else len(one.tokens) == limit


def test_the_end_token_is_kept_once_and_last(checkpoint):
    ended = [one for group in draw(checkpoint, samples=64, max_new_tokens=100) for one in group]
    ended = [one for one in ended if one.finish_reason == "stop"]
    assert ended
    assert all(one.tokens.index(checkpoint.eos_id) == len(one.tokens) - 1 for one in ended)


def test_no_prompts_and_no_samples_give_empty_lists(checkpoint):
    assert draw(checkpoint, []) == []
    assert draw(checkpoint, samples=0) == [[]] * len(PROMPTS)


@pytest.mark.parametrize("changes", [{"max_new_tokens": 0}, {"max_new_tokens": [1]}, {"prompts": [[]]}])
def test_impossible_arguments_are_refused(checkpoint, changes):
    with pytest.raises(ValueError, match="max_new_tokens|token"):
        draw(checkpoint, **changes)
