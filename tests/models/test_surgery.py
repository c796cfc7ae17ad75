"""Models made of others: the four projections change as asked, everything else stays byte by byte."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from red.__main__ import main
from red.errors import ConfigError, DataError
from red.models import checkpoint as checkpoints
from red.models import singular
from red.models.projections import projections
from red.models.surgery import Derivation, write_derived
from red.plumbing import checksums

CARD = "# made\n"


@pytest.fixture
def late(make_checkpoint):
    return make_checkpoint(0)


@pytest.fixture
def early(make_checkpoint):
    return make_checkpoint(1)


def spec(kind, donor="sft@1"):
    return Derivation("x", 0, "tiny", "sft", 3, kind, None if kind == "snapshot" else donor)


def made(kind, of, donor, out):
    write_derived(spec(kind), of, None if kind == "snapshot" else donor, CARD, out)
    return load_file(out / checkpoints.STATE_DICT)


def weights(folder):
    return load_file(folder / checkpoints.STATE_DICT)


def double(tensor):
    return tensor.double().numpy()


def test_the_projections_of_a_model_are_named_layer_by_layer(late):
    kinds = ("down", "k", "q", "v")
    assert list(projections(late)) == [f"layers.{layer}.{kind}" for layer in range(2) for kind in kinds]


def test_a_snapshot_is_the_model_as_it_is(late, tmp_path):
    made("snapshot", late, None, tmp_path / "out")
    for file in late.iterdir():
        if file.name != checksums.NAME:
            assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes(), file.name
    assert (tmp_path / "out" / "README.md").read_text() == CARD
    assert checkpoints.load(tmp_path / "out").config == checkpoints.load(late).config


@pytest.mark.parametrize("kind", ["vectors", "values", "matrices", "null"])
def test_only_the_four_projections_change(kind, late, early, tmp_path):
    before = {file.name: file.read_bytes() for file in late.iterdir()}
    after, own = made(kind, late, early, tmp_path / "out"), weights(late)
    changed = {name for name in own if not torch.equal(own[name], after[name])}
    assert changed == {place.tensor for place in projections(late).values()}
    assert {file.name: file.read_bytes() for file in late.iterdir()} == before
    checkpoints.load(tmp_path / "out")


def test_vectors_are_the_donors_and_values_the_models_own(late, early, tmp_path):
    found, own, other = made("vectors", late, early, tmp_path / "out"), weights(late), weights(early)
    for place in projections(late).values():
        parts = [singular.factors(double(tensors[place.tensor])) for tensors in (found, own, other)]
        assert parts[0].values == pytest.approx(parts[1].values, rel=1e-5)
        top = parts[2].top
        assert singular.angles(parts[0].left[:, :top], parts[2].left[:, :top]) == pytest.approx(np.zeros(top), abs=1e-4)


def test_whole_matrices_are_the_donors_to_the_last_bit(late, early, tmp_path):
    found, other = made("matrices", late, early, tmp_path / "out"), weights(early)
    assert all(torch.equal(found[place.tensor], other[place.tensor]) for place in projections(late).values())


@pytest.mark.parametrize("kind", ["vectors", "values"])
def test_a_model_as_its_own_donor_stays_as_it_is(kind, late, tmp_path):
    found, own = made(kind, late, late, tmp_path / "out"), weights(late)
    for name in own:
        assert torch.allclose(found[name], own[name], rtol=1e-6, atol=1e-7), name


def test_the_null_has_the_norm_of_the_change_and_the_seed_of_its_run(late, early, tmp_path):
    restored, own = made("vectors", late, early, tmp_path / "restored"), weights(late)
    null = made("null", late, tmp_path / "restored", tmp_path / "null")
    again = made("null", late, tmp_path / "restored", tmp_path / "again")
    for place in projections(late).values():
        before, change, random = (tensors[place.tensor] for tensors in (own, restored, null))
        assert torch.linalg.norm(random - before) == pytest.approx(torch.linalg.norm(change - before).item(), rel=1e-5)
        assert torch.equal(again[place.tensor], random)
        assert torch.nn.functional.cosine_similarity((random - before).flatten(), (change - before).flatten(), 0) < 0.3


def test_shards_in_bfloat16_keep_their_files_and_their_dtype(late, early, tmp_path):
    tensors = {name: tensor.bfloat16() for name, tensor in weights(late).items()}
    names = sorted(tensors)
    (late / checkpoints.STATE_DICT).unlink()
    (late / checksums.NAME).unlink()
    index = {"weight_map": {}}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in part}, late / f"part-{number}.safetensors")
        index["weight_map"] |= dict.fromkeys(part, f"part-{number}.safetensors")
    (late / "model.safetensors.index.json").write_text(json.dumps(index))
    write_derived(spec("values"), late, early, CARD, tmp_path / "out")
    found = load_file(tmp_path / "out" / "part-0.safetensors") | load_file(tmp_path / "out" / "part-1.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16} and sorted(found) == names
    place = projections(late)["layers.0.q"].tensor
    expected = singular.composed(
        singular.factors(double(tensors[place])), singular.factors(double(weights(early)[place]))
    )
    assert np.abs(double(found[place]) - expected).max() < 0.01 * np.abs(expected).max()


def test_models_of_two_shapes_are_one_line(late, build_checkpoint, tmp_path):
    checkpoints.save(build_checkpoint(), tmp_path / "other")
    with pytest.raises(DataError, match=r"layers.0.mlp.down_proj.weight is \(32, 48\), in .* \(64, 96\)"):
        write_derived(spec("vectors"), late, tmp_path / "other", CARD, tmp_path / "out")
    checkpoints.save(build_checkpoint(hidden_size=64, head_dim=16, num_hidden_layers=1), tmp_path / "shallow")
    with pytest.raises(DataError, match=r"shallow: 4 projections, .* has 8; give a model of one shape"):
        write_derived(spec("vectors"), late, tmp_path / "shallow", CARD, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_are_one_line(late, early, tmp_path):
    tensors = weights(late)
    tensors["model.layers.1.self_attn.v_proj.weight"][0, 0] = torch.nan
    (late / checksums.NAME).unlink()
    save_file(tensors, late / checkpoints.STATE_DICT)
    with pytest.raises(DataError, match=r"model\.layers\.1\.self_attn\.v_proj\.weight is no matrix of finite numbers"):
        write_derived(spec("vectors"), late, early, CARD, tmp_path / "out")


def test_another_architecture_is_one_line(late, tmp_path):
    (late / checksums.NAME).unlink()
    save_file({"transformer.h.0.weight": torch.ones(2, 2)}, late / checkpoints.STATE_DICT)
    with pytest.raises(DataError, match="no tensor model.layers.<n>"):
        projections(late)


def test_a_donor_is_asked_for_by_every_kind_but_a_snapshot(late, tmp_path):
    with pytest.raises(ConfigError, match="a snapshot has none, every other kind needs one"):
        Derivation("x", 0, "tiny", "sft", 3, "snapshot", "base")
    with pytest.raises(ConfigError, match="--donor: the folder of sft@1 is missing"):
        write_derived(spec("null"), late, None, CARD, tmp_path / "out")


def command(late, early, out):
    words = ["--of", str(late), "--donor", str(early), "--out", str(out)]
    values = {"run": "x", "seed": 0, "scale": "tiny", "of": "sft", "step": 3, "kind": "vectors", "donor": "base"}
    return ["derive", "--spec", json.dumps(values), "--code", "c", *words]


def test_the_command_says_what_was_made_of_what(late, early, tmp_path):
    assert main(command(late, early, tmp_path / "out")) == 0
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["inputs"] == {"of": checksums.folder_hash(late), "donor": checksums.folder_hash(early)}
    assert (provenance["spec"]["kind"], provenance["spec"]["method"], provenance["code"]) == ("vectors", "derived", "c")
    assert "| started from | sft |" in (tmp_path / "out" / "checkpoint" / "README.md").read_text()


def test_a_derived_model_that_changed_is_noticed(late, early, tmp_path, capsys):
    assert main(command(late, early, tmp_path / "out")) == 0
    folder = tmp_path / "out" / "checkpoint"
    with (folder / checkpoints.STATE_DICT).open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x00")
    with pytest.raises(DataError, match=r"model\.safetensors: changed since the program wrote it"):
        checkpoints.load(folder)
    assert main(command(folder, early, tmp_path / "again")) == 2
    assert "changed since the program wrote it" in capsys.readouterr().err


def test_the_command_replaces_no_model_that_it_reads(late, early, capsys):
    assert main(command(late, early, late.parent)) == 2
    assert "which is read for it" in capsys.readouterr().err


def test_stray_weights_beside_those_of_a_model_are_not_taken(late, early, tmp_path):
    """A loader reads the file of the usual name, or those of the index, and nothing else."""
    expected = made("vectors", late, early, tmp_path / "out")
    for folder in (late, early):
        tensors = {name: torch.full_like(tensor, 7.0) for name, tensor in weights(folder).items()}
        save_file(tensors, folder / "stray.safetensors")
        (folder / checksums.NAME).unlink()
    again = made("vectors", late, early, tmp_path / "again")
    assert not (tmp_path / "again" / "stray.safetensors").exists()
    for name, tensor in expected.items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0)
