"""Models made of others, measured against others, or asked for more than they read."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from red.plumbing import checksums
from tests.faults.case import named, succeed, table
from tests.faults.study import PROBE
from tests.faults.test_models import change_keys
from tests.faults.world import Spoil, World, run_spec

pytestmark = pytest.mark.faults("bad input")
DERIVED = {"run": "made", "seed": 0, "scale": "tiny", "of": "sft", "step": 1, "kind": "values", "donor": "base"}
SNAPSHOT = {**DERIVED, "kind": "snapshot", "donor": None}
FIRST, SECOND = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
LARGEST = 3e38


def edited(edit: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Spoil:
    """Other weights."""

    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(edit(load_file(path)), path)

    return spoil


def as_kind(kind: torch.dtype) -> Spoil:
    """Weights of another kind of number."""
    return edited(lambda tensors: {name: tensor.to(kind) for name, tensor in tensors.items()})


def in_shards(folder: Path) -> None:
    """The same weights in two files and an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {name: FIRST if place < len(names) // 2 else SECOND for place, name in enumerate(names)}
    for file in (FIRST, SECOND):
        save_file({name: tensors[name] for name in names if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def without_shard(folder: Path) -> None:
    in_shards(folder)
    (folder / SECOND).unlink()


def without_tensor(folder: Path) -> None:
    in_shards(folder)
    tensors = load_file(folder / SECOND)
    save_file(dict(list(tensors.items())[1:]), folder / SECOND)


def with_layer(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One more than config.json says."""
    return tensors | {"model.layers.9.self_attn.q_proj.weight": torch.ones(4, 4)}


def nothing(folder: Path) -> None:
    """The model as it is."""


# What to make, how the model is spoiled, how its donor is (None: it gets none), pattern.
DERIVATIONS: tuple[tuple[str, dict[str, Any], Spoil, Spoil | None, str], ...] = (
    (
        "weights that are not there",
        SNAPSHOT,
        lambda f: (f / "model.safetensors").unlink(),
        None,
        r"model\.safetensors: no such file",
    ),
    ("shard that is missing, as it is", SNAPSHOT, without_shard, None, rf"{SECOND}: no such file"),
    ("shard that lacks a tensor, as it is", SNAPSHOT, without_tensor, None, rf"{SECOND}: no tensor \S+, which"),
    ("shard that is missing", DERIVED, without_shard, nothing, rf"{SECOND}: no such file"),
    ("donor whose shard is missing", DERIVED, nothing, without_shard, rf"{SECOND}: no such file"),
    ("snapshot with a donor", SNAPSHOT, nothing, nothing, r"--donor \S+: a snapshot has none; leave it out"),
    ("layer more than config.json says", DERIVED, edited(with_layer), nothing, r"13 projections .* says 3 layers"),
    ("layer less than config.json says", DERIVED, change_keys("config.json", num_hidden_layers=4), nothing, "4 layers"),
    ("donor of more layers", DERIVED, nothing, edited(with_layer), r"13 projections .* says 3 layers"),
    ("weights of whole numbers", DERIVED, as_kind(torch.int8), nothing, r"is torch\.int8; only float32, bfloat16"),
    ("weights of eight bits", DERIVED, as_kind(torch.float8_e4m3fn), nothing, r"is torch\.float8_e4m3fn; only"),
    ("complex weights of the donor", DERIVED, nothing, as_kind(torch.complex64), r"is torch\.complex64; only"),
    (
        "values beyond half precision",
        DERIVED,
        as_kind(torch.float16),
        edited(lambda tensors: {name: torch.full_like(tensor, LARGEST) for name, tensor in tensors.items()}),
        r"layers\.0\.down with the values of \S+ is beyond the numbers of torch\.float16",
    ),
)


def derive(spec: dict[str, Any], of: Path, donor: Path | None, out: Path) -> list[Any]:
    """Arguments of `red derive`."""
    return ["derive", "--spec", json.dumps(spec), "--of", of, *(["--donor", donor] if donor else []), "--out", out]


@table("spec, of, donor, pattern", "derive: ", DERIVATIONS)
def test_derive(spec: dict, of: Spoil, donor: Spoil | None, pattern: str, tmp_path: Path, world: World, check):
    model = world.copy_of_base(tmp_path / "of", of)
    other = world.copy_of_base(tmp_path / "donor", donor) if donor else None
    check(pattern, derive(spec, model, other, tmp_path / "out"))
    assert not list((tmp_path / "out").glob("*"))


@named("derive: a stray file of weights is not taken for the model's own")
def test_stray(tmp_path: Path, world: World):
    def stray(folder: Path) -> None:
        shutil.copy(folder / "model.safetensors", folder / "stray.safetensors")
        edited(lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})(folder)

    expected, spoiled = tmp_path / "expected", tmp_path / "spoiled"
    plain = edited(lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})
    for out, spoil in ((expected, plain), (spoiled, stray)):
        model = world.copy_of_base(tmp_path / f"of_{out.name}", spoil)
        succeed(derive(DERIVED, model, world.base, out))
    for folder in (expected, spoiled):
        assert not (folder / "checkpoint" / "stray.safetensors").exists()
    weights = [(folder / "checkpoint" / "model.safetensors").read_bytes() for folder in (expected, spoiled)]
    assert weights[0] == weights[1]


@table(
    "spoil, pattern",
    "rotation: ",
    [
        ("start whose shard is missing", without_shard, rf"{SECOND}: no such file"),
        ("start of whole numbers", as_kind(torch.int8), r"is torch\.int8; only"),
        ("start with a layer more", edited(with_layer), r"13 projections .* says 3 layers"),
    ],
)
def test_rotation(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    models = ["--checkpoint", world.base, "--start", world.copy_of_base(tmp_path, spoil)]
    check(pattern, ["rotation", "--spec", '{"probe": "rotation", "step": 1}', *models, "--out", tmp_path / "x.parquet"])
    assert not (tmp_path / "x.parquet").exists()


def redistilled(world: World, model: Path, place: Path, **spec: Any) -> list[Any]:
    """Arguments of `red data redistilled`."""
    spec = {"template": "plain", "max_prompt_tokens": 64, "max_new_tokens": 100, **spec}
    files = ["--prompts", world.prompts, "--model", model, "--out", place / "rows.jsonl"]
    return ["data", "redistilled", "--spec", json.dumps(spec), *files]


def train(world: World, model: Path, place: Path) -> list[Any]:
    """Arguments of `red train`, with long rollouts."""
    spec = run_spec("sft", steps=1)
    return world.train(place / "out", replace(spec, training=replace(spec.training, max_new_tokens=100)), parent=model)


def probe(world: World, model: Path, place: Path) -> list[Any]:
    """Arguments of `red probe`, with long rollouts."""
    models = ["--checkpoint", model, "--model", f"parent={world.base}"]
    texts = ["--prompts", world.prompts, "--demonstrations", world.demonstrations]
    spec = json.dumps({**PROBE, "max_new_tokens": 100})
    return ["probe", "--spec", spec, *models, *texts, "--out", place / "probe.parquet"]


@table(
    "arguments, key",
    "more tokens than the model reads: ",
    [
        ("redistilled", redistilled, "max_new_tokens"),
        ("train", train, r"training\.max_new_tokens"),
        ("probe", probe, ""),
    ],
)
def test_window(arguments: Callable[..., list[Any]], key: str, tmp_path: Path, world: World, check):
    model = world.copy_of_base(tmp_path, change_keys("config.json", max_position_embeddings=80))
    check(rf"needs \d+ \+ 100 tokens, \S+ reads 80; lower {key}", arguments(world, model, tmp_path))


@named("redistilled: no prompt is as short as is asked")
def test_short(tmp_path: Path, world: World, check):
    arguments = redistilled(world, world.base, tmp_path, max_prompt_tokens=1)
    check(r"no prompt of 64 has at most 1 tokens; raise max_prompt_tokens", arguments)
    assert not (tmp_path / "rows.jsonl").exists() and not (tmp_path / checksums.NAME).exists()


@table(
    "models, pattern",
    "probe: ",
    [
        ("without the model that a training started from", [], r"--model: give parent=DIR"),
        ("one model twice", ["parent", "parent"], r"--model parent=\S+: give NAME=DIR, each of parent, base, .* once"),
        ("a model of a name that nobody knows", ["parent", "child"], r"--model child=\S+: give NAME=DIR"),
    ],
)
def test_models_of_a_probe(models: list[str], pattern: str, tmp_path: Path, world: World, check):
    named_models = [word for name in models for word in ("--model", f"{name}={world.base}")]
    texts = ["--prompts", world.prompts, "--demonstrations", world.demonstrations]
    arguments = ["probe", "--spec", json.dumps(PROBE), "--checkpoint", world.base, *named_models, *texts]
    check(pattern, [*arguments, "--out", tmp_path / "probe.parquet"])


@named("generate: two models into one folder")
def test_one_folder(tmp_path: Path, world: World, check):
    more = ["--checkpoint", world.root / "models" / "teacher", "--out", tmp_path / "a" / ".." / "out"]
    check(r"--out: one folder is there twice", [*world.generate(tmp_path / "out"), *more])
    assert not (tmp_path / "out").exists()


@table(
    "spoil, pattern",
    "preparing a model: ",
    [
        ("a shard that is missing", without_shard, rf"{SECOND}: no such file"),
        ("a shard that lacks a tensor", without_tensor, rf"{SECOND}: no tensor \S+, which"),
    ],
)
def test_prepared(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    spec = json.dumps({"source": "hub", "id": "x/y", "folder": str(world.copy_of_base(tmp_path, spoil))})
    check(pattern, ["data", "model", "--spec", spec, "--out", tmp_path / "prepared"])
    assert not (tmp_path / "prepared").exists()
