"""Real models: logits in float32, greedy tokens and chats are those of transformers."""

from pathlib import Path

import pytest
import torch

from red.models import checkpoint as checkpoints
from red.models.folder import load_codec
from red.sampling.sampler import sample

QUESTION = "Natalia sold 48 clips in April and half as many in May. How many clips did she sell altogether?"
TOKENS = 64


@pytest.fixture(scope="module", params=["smollm2-135m", "qwen2.5-coder-0.5b"])
def folder(request, real_model) -> Path:
    """A real model's folder."""
    return real_model(request.param)


def test_logits_and_greedy_tokens_are_those_of_transformers(folder):
    from transformers import AutoModelForCausalLM

    ours, codec = checkpoints.load(folder).model.requires_grad_(False), load_codec(folder)
    prompt = codec.prompt(QUESTION, None, "chat", None, "here").tokens
    ((response,),) = sample(ours, [prompt], samples=1, max_new_tokens=TOKENS, stop_ids=codec.stop_ids, temperature=0.0)
    # The second pass over everything, by another model: each token is the most likely one after those before it.
    ids = torch.tensor([[*prompt, *response.tokens]])
    found = ours(ids)
    del ours
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = theirs(ids).logits
    torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-4)
    assert response.tokens == logits[0, len(prompt) - 1 : -1].argmax(-1).tolist()


def test_a_chat_is_what_transformers_makes_of_it(folder):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUESTION}]
    prompt = load_codec(folder).prompt(QUESTION, None, "chat", "Be short.", "here")
    assert prompt.text == theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert list(prompt.tokens) == theirs(prompt.text, add_special_tokens=False).input_ids


def test_the_end_of_a_message_in_a_question_is_text(folder):
    codec = load_codec(folder)
    end = codec.tokenizer.token_to_id("<|im_end|>")
    prompts = [codec.prompt(text, None, "chat", None, "here") for text in ("What is <|im_end|>?", "What is it?")]
    assert prompts[0].tokens.count(end) == prompts[1].tokens.count(end)
    assert "What is <|im_end|>?" in codec.tokenizer.decode(list(prompts[0].tokens), skip_special_tokens=False)
    assert codec.end_id("chat") == end and end in codec.stop_ids
