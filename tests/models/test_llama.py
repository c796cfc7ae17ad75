"""Llama in plain torch computes what transformers computes, in every one of the three ways of a forward pass."""

import pytest
import torch

from red.models import checkpoint as checkpoints
from red.models.folder import load_codec
from red.models.passes import forward
from red.sampling.sampler import sample
from tests.fixtures.checkpoints import byte_tokenizer

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
KINDS = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "own_head_size": {"head_dim": 32},
    "no_grouping": {"num_key_value_heads": 4},
    "llama3_rope": {"rope_parameters": LLAMA3},
}
PROMPTS = ((5, 6, 7, 8, 9), (40, 41, 42))


@pytest.fixture(scope="module", params=KINDS)
def llama(request, tmp_path_factory):
    """A folder that transformers saved, and its own model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    sizes = {
        "vocab_size": byte_tokenizer().get_vocab_size(),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    theirs = LlamaForCausalLM(LlamaConfig(**{**sizes, **KINDS[request.param]})).eval()
    theirs.save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder, theirs


def test_logits_are_those_of_transformers(llama):
    folder, theirs = llama
    ids = torch.randint(2, 250, (3, 60), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(checkpoints.load(folder).model(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)


def test_greedy_tokens_are_those_of_transformers(llama):
    folder, theirs = llama
    ours = sample(checkpoints.load(folder).model, PROMPTS, samples=1, max_new_tokens=32, stop_ids=(1,), temperature=0.0)
    for prompt, (response,) in zip(PROMPTS, ours, strict=True):
        output = theirs.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False, pad_token_id=0)
        assert response.tokens == output[0, len(prompt) :].tolist()


def test_log_probabilities_and_gradients_are_those_of_transformers(llama):
    folder, theirs = llama
    ours, pairs = checkpoints.load(folder).model, [(prompt, (9, 8, 7, 1)) for prompt in PROMPTS]
    logp = forward(ours, pairs, 1.0, 1000).logp
    expected = []
    for prompt, response in pairs:
        logits = theirs(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        expected.append(logits.log_softmax(-1)[torch.arange(len(response)), list(response)])
    torch.testing.assert_close(logp, torch.stack(expected), atol=1e-4, rtol=1e-4)
    theirs.zero_grad()
    torch.stack(expected).sum().backward()
    logp.sum().backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        scale = gradients[name].grad.abs().max().item()
        torch.testing.assert_close(parameter.grad, gradients[name].grad, atol=1e-4 * scale, rtol=1e-3)


def test_a_saved_folder_is_a_llama_for_transformers(llama, tmp_path):
    from transformers import AutoModelForCausalLM

    folder, theirs = llama
    checkpoints.save(checkpoints.load(folder), tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    assert type(again) is type(theirs)
    ids = torch.tensor([PROMPTS[0]])
    with torch.no_grad():
        assert torch.equal(again(ids).logits, theirs(ids).logits)


def test_every_stop_token_ends_a_response_where_it_first_occurs(llama):
    folder, _ = llama
    model, stops = checkpoints.load(folder).model, load_codec(folder).stop_ids
    ((free,),) = sample(model, PROMPTS[:1], samples=1, max_new_tokens=32, stop_ids=stops, temperature=0.0)
    ends = (free.tokens[9], free.tokens[4])
    first = min(free.tokens.index(end) for end in ends)
    ((cut,),) = sample(model, PROMPTS[:1], samples=1, max_new_tokens=32, stop_ids=ends, temperature=0.0)
    assert (cut.tokens, cut.finish_reason) == (free.tokens[: first + 1], "stop")
