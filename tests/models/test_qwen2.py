"""The plain-torch Qwen2 and Llama compute what transformers computes."""

import pytest
import torch

from red.errors import DataError
from red.models import checkpoint as checkpoints
from red.models.qwen2 import Shape

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
SHAPES = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "other_head_size_and_theta": {"head_dim": 16, "rope_theta": 40000.0},
    "no_grouping": {"num_key_value_heads": 4},
}


@pytest.mark.parametrize("name", SHAPES)
def test_logits_equal_those_of_transformers(name, build_checkpoint, tmp_path):
    from transformers import AutoModelForCausalLM

    ours = build_checkpoint(**SHAPES[name])
    checkpoints.save(ours, tmp_path / "model")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    ids = torch.randint(0, 100, (3, 17), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours.model(ids), theirs(ids).logits, atol=2e-5, rtol=1e-4)


def test_a_folder_saved_by_transformers_loads(checkpoint, tmp_path):
    from transformers import AutoModelForCausalLM

    checkpoints.save(checkpoint, tmp_path / "ours")
    AutoModelForCausalLM.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    checkpoint.tokenizer.save(str(tmp_path / "theirs" / "tokenizer.json"))
    loaded = checkpoints.load(tmp_path / "theirs")
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids), checkpoint.model(ids))


def test_auto_tokenizer_gives_the_same_ids_and_special_tokens(checkpoint, tmp_path):
    from transformers import AutoTokenizer

    checkpoints.save(checkpoint, tmp_path / "model")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "model")
    text = "Compute 12+7*3.\nA:Okay, let me think. First, 12+7=19. So the answer is \\boxed{57}"
    ids = checkpoint.tokenizer.encode(text).ids
    assert theirs(text).input_ids == ids
    assert theirs.decode(ids) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (checkpoint.eos_id, 0)
    assert len(theirs) == checkpoint.model.shape.vocab_size


def test_right_padding_does_not_change_earlier_positions(checkpoint):
    ids = torch.tensor([[5, 6, 7, 8]])
    padded = torch.tensor([[5, 6, 7, 8, 0, 0]])
    torch.testing.assert_close(checkpoint.model(padded)[:, :4], checkpoint.model(ids))


def test_hidden_states_times_head_are_the_logits(checkpoint):
    ids = torch.tensor([[5, 6, 7, 8]])
    logits = checkpoint.model.hidden(ids) @ checkpoint.model.lm_head.weight.T
    torch.testing.assert_close(logits, checkpoint.model(ids))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gemma2"}, "'gemma2'; .* qwen2 and llama, engine: openrlhf and backend: vllm take it"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope type 'yarn'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor of the rope type 'llama3' is None"),
        ({"rope_scaling": {**LLAMA3, "high_freq_factor": 1.0}}, "low_freq_factor must be below"),
        ({"model_type": "llama", "attention_bias": True}, "attention_bias is on"),
        ({"model_type": "llama", "mlp_bias": True}, "mlp_bias is on"),
    ],
)
def test_other_architectures_are_refused_by_name(checkpoint, change, message):
    with pytest.raises(DataError, match=message):
        Shape.from_config({**checkpoint.config, **change})


def test_a_missing_size_is_named(checkpoint):
    config = {key: value for key, value in checkpoint.config.items() if key != "hidden_size"}
    with pytest.raises(DataError, match="missing key 'hidden_size'"):
        Shape.from_config(config)


def test_theta_is_read_from_the_newer_config_form(checkpoint):
    config = {**checkpoint.config, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    assert Shape.from_config(config).rope_theta == 5e5
