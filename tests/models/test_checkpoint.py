"""Saving is complete and atomic; every kind of damage is one clear error."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from red.errors import DataError
from red.models import checkpoint as checkpoints
from red.plumbing import checksums


@pytest.fixture
def folder(checkpoint, tmp_path):
    """Somebody else's, whose files may change."""
    checkpoints.save(checkpoint, tmp_path / "model")
    (tmp_path / "model" / checksums.NAME).unlink()
    return tmp_path / "model"


def test_a_saved_checkpoint_loads_equal(checkpoint, folder):
    loaded = checkpoints.load(folder)
    for name, tensor in checkpoint.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
    assert loaded.eos_id == checkpoint.eos_id
    assert loaded.config == checkpoint.config
    assert loaded.tokenizer.to_str() == checkpoint.tokenizer.to_str()


def test_saving_twice_gives_equal_bytes(folder, tmp_path):
    checkpoints.save(checkpoints.load(folder), tmp_path / "again")
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_the_tied_head_is_stored_once_and_stays_tied(folder):
    assert checkpoints.TIED not in load_file(folder / checkpoints.STATE_DICT)
    model = checkpoints.load(folder).model
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_an_untied_head_survives(build_checkpoint, tmp_path):
    untied = build_checkpoint(tie_word_embeddings=False)
    checkpoints.save(untied, tmp_path / "model")
    loaded = checkpoints.load(tmp_path / "model")
    assert torch.equal(loaded.model.lm_head.weight, untied.model.lm_head.weight)


def test_sharded_weights_load(checkpoint, folder):
    tensors = load_file(folder / checkpoints.STATE_DICT)
    names = sorted(tensors)
    shards = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / checkpoints.STATE_DICT).unlink()
    ids = torch.tensor([[3, 4, 5]])
    assert torch.equal(checkpoints.load(folder).model(ids), checkpoint.model(ids))


def test_nothing_is_left_when_saving_fails(checkpoint, tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(checkpoint, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_pickled_weights_are_refused(folder):
    (folder / checkpoints.STATE_DICT).unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="pickled weights.*safetensors"):
        checkpoints.load(folder)


def test_truncated_weights_are_named(folder):
    weights = folder / checkpoints.STATE_DICT
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DataError, match="model.safetensors.*truncated"):
        checkpoints.load(folder)


def test_a_changed_weight_of_a_saved_checkpoint_is_named(checkpoint, tmp_path):
    checkpoints.save(checkpoint, tmp_path / "model")
    weights = tmp_path / "model" / checkpoints.STATE_DICT
    content = bytearray(weights.read_bytes())
    content[-9] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match="model.safetensors: changed since the program wrote it"):
        checkpoints.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=name):
        checkpoints.load(folder)


def test_a_damaged_tokenizer_is_named(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="tokenizer.json"):
        checkpoints.load(folder)


def test_a_tokenizer_of_another_model_is_refused(build_checkpoint, checkpoint, tmp_path):
    small = build_checkpoint(vocab_size=100)
    checkpoints.save(small, tmp_path / "model")
    with pytest.raises(DataError, match="vocab_size 100"):
        checkpoints.load(tmp_path / "model")


def test_weights_that_contradict_the_config_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    with pytest.raises(DataError, match="mlp.down_proj.weight"):
        checkpoints.load(folder)


def test_a_missing_tensor_is_named(folder):
    tensors = load_file(folder / checkpoints.STATE_DICT)
    del tensors["model.norm.weight"]
    save_file(tensors, folder / checkpoints.STATE_DICT)
    with pytest.raises(DataError, match="model.norm.weight"):
        checkpoints.load(folder)


def test_other_files_and_unknown_keys_survive_byte_by_byte(folder, tmp_path):
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "merges.txt").write_bytes(b"\xff\r\n")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))  # all on one line, unlike ours
    config = {**json.loads((folder / "config.json").read_text()), "key of the future": [1.5, None]}
    (folder / "config.json").write_text(json.dumps(config))
    checkpoints.save(checkpoints.load(folder), tmp_path / "again")
    for name in ("chat_template.jinja", "merges.txt", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert json.loads((tmp_path / "again" / "config.json").read_text()) == config
    assert not (tmp_path / "again" / "pytorch_model.bin").exists()


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_weights_are_saved_in_the_type_that_the_config_names(checkpoint, folder, tmp_path, key):
    config = json.loads((folder / "config.json").read_text())
    config.pop("torch_dtype")
    (folder / "config.json").write_text(json.dumps({**config, key: "bfloat16"}))
    checkpoints.save(checkpoints.load(folder), tmp_path / "again")
    saved = load_file(tmp_path / "again" / checkpoints.STATE_DICT)
    for name, tensor in saved.items():
        assert torch.equal(tensor, checkpoint.model.state_dict()[name].bfloat16())


def test_weights_of_another_engine_are_cast_in_place(checkpoint, folder):
    checkpoints.cast_weights(folder, torch.float16)
    saved = load_file(folder / checkpoints.STATE_DICT)
    assert all(torch.equal(saved[name], checkpoint.model.state_dict()[name].half()) for name in saved)


def test_frequencies_in_old_llama_files_are_passed_over(folder):
    tensors = load_file(folder / checkpoints.STATE_DICT)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(tensors, folder / checkpoints.STATE_DICT)
    assert not any("inv_freq" in name for name in checkpoints.load(folder).model.state_dict())
