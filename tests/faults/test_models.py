"""Model folders that are damaged, foreign or dangerous."""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from red import confinement
from red.errors import RedError
from red.models.folder import load_codec
from red.plumbing.provenance import ROOT
from red.text import chat
from tests.faults.case import named, succeed, table
from tests.faults.world import Spoil, World, not_finite, run_spec

pytestmark = pytest.mark.faults("bad input")


def change_keys(name: str, **changes: Any) -> Spoil:
    """Change keys of a JSON file; the value `...` removes one."""

    def spoil(folder: Path) -> None:
        document = {**json.loads((folder / name).read_text()), **changes}
        (folder / name).write_text(json.dumps({k: v for k, v in document.items() if v is not ...}))

    return spoil


def replace_text(name: str, content: str) -> Spoil:
    return lambda folder: (folder / name).write_text(content)


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def shards(**weight_map: str) -> Spoil:
    return replace_text("model.safetensors.index.json", json.dumps({"weight_map": weight_map}))


def written(key: str, value: str) -> Spoil:
    """A value in config.json that a JSON writer would not write."""

    def spoil(folder: Path) -> None:
        change_keys("config.json", **{key: "@"})(folder)
        (folder / "config.json").write_text((folder / "config.json").read_text().replace('"@"', value))

    return spoil


def tensors(kind: str, size: int = 2) -> Spoil:
    """Weights of one tensor of that kind, described in a header and hardly there."""
    header = json.dumps({"model.norm.weight": {"dtype": kind, "shape": [size], "data_offsets": [0, 1]}}).encode()
    return lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"0")


def pipe(name: str) -> Spoil:
    """In the place of a file, or beside the others."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return spoil


def link(name: str, target: str) -> Spoil:
    """In the place of a file, or beside the others."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return spoil


PANIC = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
# Exponential in the length of a text.
BACKTRACKING = {"type": "Replace", "pattern": {"Regex": "((.+.+)+.+)+[^\\s\\S]"}, "content": ""}

DOUBLING = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "1"}, "content": "11"}] * 40}


def tokenizer(normalizer: dict[str, Any]) -> Spoil:
    """One whose normalizer sees all of a text: no token is cut out before."""
    return change_keys("tokenizer.json", normalizer=normalizer, added_tokens=[])


FOLDERS: tuple[tuple[str, Spoil, str], ...] = (
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), r"tokenizer\.json: no such file; a checkpoint needs"),
    (
        "tokenizer truncated",
        replace_text("tokenizer.json", '{"version": "1.0", "model": {"type": "Word'),
        r"tokenizer\.json: not a tokenizer",
    ),
    (
        "tokenizer of a larger vocabulary",
        change_keys("config.json", vocab_size=50),
        r"tokenizer\.json: token id \d+ does not fit vocab_size 50",
    ),
    (
        "vocabulary of other weights",
        change_keys("config.json", vocab_size=500),
        r"tensor \S+ is \(\d+, \d+\), config\.json asks for \(500",
    ),
    ("no config", lambda f: (f / "config.json").unlink(), r"config\.json: no such file"),
    ("config that is a list", replace_text("config.json", "[]"), r"config\.json: expected an object"),
    ("config without a size", change_keys("config.json", hidden_size=...), r"config\.json: missing key 'hidden_size'"),
    (
        "size that is a text",
        change_keys("config.json", hidden_size="64"),
        r"config\.json: hidden_size is '64'|whole numbers",
    ),
    ("no heads", change_keys("config.json", num_attention_heads=0), r"config\.json: num_attention_heads is 0"),
    ("heads that do not divide", change_keys("config.json", num_key_value_heads=3), r"num_key_value_heads divide"),
    (
        "a billion layers",
        change_keys("config.json", num_hidden_layers=10**9),
        r"config\.json: num_hidden_layers is 1000000000",
    ),
    (
        "another architecture",
        change_keys("config.json", model_type="gemma2"),
        r"model_type is 'gemma2'; the local engine",
    ),
    ("rotary scaling", change_keys("config.json", rope_scaling={"type": "yarn"}), r"rope type 'yarn' is not supported"),
    ("sliding window", change_keys("config.json", use_sliding_window=True), r"use_sliding_window is on"),
    (
        "no end token",
        lambda f: (
            change_keys("config.json", eos_token_id=None)(f),
            replace_text("generation_config.json", "{}")(f),
            change_keys("tokenizer_config.json", eos_token=None)(f),
        ),
        r"eos_token_id is missing",
    ),
    (
        "end token outside the vocabulary",
        change_keys("generation_config.json", eos_token_id=10**6),
        r"eos_token_id 1000000 is not a token",
    ),
    ("weights truncated", truncated, r"model\.safetensors: truncated or damaged"),
    ("weights empty", replace_text("model.safetensors", ""), r"model\.safetensors: truncated or damaged"),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors: no such file"),
    ("pickled weights only", pickle_only, r"only pickled weights \(\*\.bin\), which can run code"),
    (
        "shard outside of the folder",
        shards(a="../../secret.safetensors"),
        r"'../../secret\.safetensors' is not the name of a safetensors file",
    ),
    ("shard with an absolute path", shards(a="/etc/passwd"), r"'/etc/passwd' is not the name"),
    ("shard that is a pickle", shards(a="weights.bin"), r"'weights\.bin' is not the name"),
    ("index without a map", replace_text("model.safetensors.index.json", "{}"), r"weight_map is missing or empty"),
    ("shard that is missing", shards(a="part-1.safetensors"), r"part-1\.safetensors: no such file"),
    ("weights that are not finite", not_finite, r"logits are not finite"),
    ("rotary base that overflows", written("rope_theta", "1e999"), r"config\.json: .*1e999 is beyond the largest"),
    ("window that is a text", written("max_position_embeddings", '"x"'), r"max_position_embeddings is 'x'"),
    ("weights of a kind nobody has", tensors("F9"), r"model\.safetensors: truncated or damaged"),
    ("weights of four bits", tensors("F4"), r"config\.json asks for|truncated or damaged"),
    ("tensor of terabytes", tensors("F32", 1 << 40), r"truncated or damaged|asks for"),
    ("tokenizer of 300 MB", lambda f: os.truncate(f / "tokenizer.json", 300 << 20), r"tokenizer\.json: larger than"),
    ("config that is a pipe", pipe("config.json"), r"config\.json: not a regular file"),
    ("tokenizer that is a pipe", pipe("tokenizer.json"), r"tokenizer\.json: not a regular file"),
    ("weights that are a pipe", pipe("model.safetensors"), r"model\.safetensors: not a regular file"),
    (
        "document of 300 MB that nobody asked for",
        lambda f: ((f / "notes").mkdir(), (f / "notes" / "x").touch(), os.truncate(f / "notes" / "x", 300 << 20)),
        r"notes/x: larger than 256 MiB, and no weights",
    ),
    (
        "weights of a terabyte of nothing",
        lambda f: os.truncate(f / "model.safetensors", 1 << 40),
        r"model\.safetensors: truncated or damaged",
    ),
    (
        "other weights of a terabyte of nothing",
        lambda f: ((f / "pytorch_model.bin").touch(), os.truncate(f / "pytorch_model.bin", 1 << 40)),
        r"pytorch_model\.bin: more than 4 times the safetensors",
    ),
    ("pipe in a folder of the folder", lambda f: ((f / "a").mkdir(), pipe("a/b")(f)), r"a/b: not a regular file"),
    ("links in a circle", lambda f: (link("a", "b")(f), link("b", "a")(f)), r"/a: not a regular file"),
    ("tokenizer that doubles a text forty times", tokenizer(DOUBLING), r"Sequence may make 1e\+12 characters of one"),
    (
        "tokenizer that doubles what it decodes",
        change_keys("tokenizer.json", decoder={**DOUBLING, "type": "Sequence", "decoders": DOUBLING["normalizers"]}),
        r"Sequence may make 1e\+12 characters of one",
    ),
    (
        "tokenizer that begins with a book",
        tokenizer({"type": "Prepend", "prepend": "x" * 10_000}),
        r"Prepend may make 1e\+04 characters of one",
    ),
    ("stray pipe", pipe("notes.json"), r"notes\.json: not a regular file"),
    ("config that never ends", link("config.json", "/dev/zero"), r"config\.json: a link that leads out"),
    ("weights that never end", link("model.safetensors", "/dev/zero"), r"model\.safetensors: a link that leads out"),
    ("somebody's secret", link("notes.json", "/etc/passwd"), r"notes\.json: a link that leads out of the folder"),
    ("dangling link", link("notes.json", "nothing"), r"notes\.json: not a regular file"),
    ("tokenizer that panics while it is read", tokenizer(PANIC), r"tokenizer\.json: not a tokenizer \("),
    ("tokenizer that panics while it reads", tokenizer(BACKTRACKING), r"cannot be tokenized \(.*retry-limit"),
)


@table("spoil, pattern", "model: ", FOLDERS)
def test_training(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    parent = world.copy_of_base(tmp_path, spoil)
    check(pattern, world.train(tmp_path / "run", run_spec("grpo", steps=1), parent=parent))


EVALUATED = ("no tokenizer", "tokenizer truncated", "weights truncated", "weights that are not finite")


@table("spoil, pattern", "model to evaluate: ", [row for row in FOLDERS if row[0] in EVALUATED])
def test_evaluation(spoil: Spoil, pattern: str, tmp_path: Path, world: World, check):
    check(pattern, world.generate(tmp_path / "out", world.copy_of_base(tmp_path, spoil)))


@named("model: links of the hub's own cache are followed")
def test_hub_cache(tmp_path: Path, world: World):
    """snapshots/<revision>/<name> -> ../../blobs/<hash>, as huggingface_hub lays it out."""
    snapshot, blobs = tmp_path / "models--x--y" / "snapshots" / "abc", tmp_path / "models--x--y" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in world.base.iterdir():
        shutil.copy(path, blobs / f"hash-of-{path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/hash-of-{path.name}")
    succeed(world.train(tmp_path / "run", run_spec("sft", steps=1), parent=snapshot))


@named("model: a tokenizer's own padding and truncation change nothing")
def test_left_behind(tmp_path: Path, world: World):
    """Settings of somebody's batches, which the library would apply to every text."""
    short = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    wide = {"strategy": {"Fixed": 100}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
    wide |= {"pad_type_id": 0, "pad_token": "x"}
    spoiled = world.copy_of_base(tmp_path, change_keys("tokenizer.json", truncation=short, padding=wide))
    prompts = [load_codec(folder).prompt("Compute 12+7", None, "plain", None, "x") for folder in (world.base, spoiled)]
    assert prompts[0] == prompts[1]


@named("model: a link out of the folder is not copied by preparing it")
def test_prepared_link(tmp_path: Path, world: World, check):
    model = world.copy_of_base(tmp_path, link("notes.json", "/etc/passwd"))
    spec = json.dumps({"source": "hub", "id": "x/y", "folder": str(model)})
    out = tmp_path / "out"
    check(r"notes\.json: a link that leads out", ["data", "model", "--spec", spec, "--out", out])
    assert not out.exists()


@named("model: trust_remote_code is never on")
def test_remote_code(remark):
    sources = [
        path
        for part in ("red", "analysis", "workflow", "config")
        for path in (ROOT / part).rglob("*.*")
        if path.suffix in (".py", ".smk", ".yaml")
    ]
    on = re.compile(r"trust_remote_code\W+(true|1|yes)", re.IGNORECASE)
    guilty = [str(path) for path in sources if on.search(path.read_text(encoding="utf-8"))]
    assert not guilty, guilty
    remark(f"{len(sources)} files read")


@named("model: custom code in config.json is ignored")
def test_custom_code(tmp_path: Path, world: World):
    """`auto_map` names a module that leaves a mark when it is imported."""

    def spoil(model: Path) -> None:
        change_keys("config.json", auto_map={"AutoModelForCausalLM": "custom.Model"})(model)
        (model / "custom.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")

    parent = world.copy_of_base(tmp_path, spoil)
    succeed(world.train(tmp_path / "run", run_spec("sft", steps=1), parent=parent))
    assert not (tmp_path / "mark").exists()


LOOP = "{% for i in range(99999) %}"
TEMPLATES: tuple[tuple[str, str, str], ...] = (
    ("that computes for ever", LOOP * 4 + "{% endfor %}" * 4, r"model: .* more than 1 s of processor time"),
    ("that is one endless step", "{{ 9 ** (9 ** 9) % 2 }}", r"model: .* more than (1 s|1024 MiB)"),
    ("that takes all memory", "{{ 'a' * 10 ** 10 }}", r"model: .* more than 1024 MiB of memory"),
    ("that writes for ever", "{{ 'a' * 2 ** 25 }}", r"model: .* more than 16,777,216 characters"),
)


@table("template, pattern", "model: chat template ", TEMPLATES)
def test_endless_template(template: str, pattern: str, tmp_path: Path, world: World, check, monkeypatch):
    monkeypatch.setattr(chat, "SECONDS", 1)
    parent = world.copy_of_base(tmp_path, replace_text("chat_template.jinja", template))
    check(pattern, world.train(tmp_path / "run", run_spec("sft", steps=1), parent=parent))


@named("model: chat template that knows no answers, and refuses in its own words")
def test_refusing_template(tmp_path: Path, world: World, check):
    spoil = replace_text("chat_template.jinja", "{{ raise_exception('no users') }}")
    spec = replace(run_spec("sft", steps=1), template="chat")
    parent = world.copy_of_base(tmp_path, spoil)
    check(r"refuses messages of user: no users", world.train(tmp_path / "run", spec, parent=parent))


@pytest.mark.faults("fate of a process")
@table("times", "process of a chat template killed ", [("once: the same prompt", 1), ("each time: one line", 3)])
def test_killed_template(times: int, monkeypatch):
    start, left = confinement.start, iter(range(times))

    def killed(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
        process, channel = start(module)
        if next(left, None) is not None:
            process.kill()
        return process, channel

    monkeypatch.setattr(confinement, "start", killed)
    chat._renderer.cache_clear()
    words = [{"role": "user", "content": "1 + 1"}]
    if times < chat.TRIES:
        assert chat.render_chat("{{ messages[0].content }}", words, {}) == "1 + 1"
    else:
        with pytest.raises(RedError, match="3 processes in a row ended over one prompt"):
            chat.render_chat("{{ messages[0].content }}", words, {})
