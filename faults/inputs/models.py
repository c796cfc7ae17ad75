"""Model folders that are damaged, foreign or dangerous."""

import json
import pickle
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from faults.case import Attempt, Case, Command
from faults.world import World, run_spec
from red.plumbing.provenance import ROOT

Spoil = Callable[[Path], object]


def _json(name: str, **changes: Any) -> Spoil:
    """Change keys of a JSON file; the value `...` removes one."""

    def spoil(folder: Path) -> None:
        document = {**json.loads((folder / name).read_text()), **changes}
        (folder / name).write_text(json.dumps({k: v for k, v in document.items() if v is not ...}))

    return spoil


def _text(name: str, content: str) -> Spoil:
    return lambda folder: (folder / name).write_text(content)


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))


def _truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _index(**weight_map: str) -> Spoil:
    return _text("model.safetensors.index.json", json.dumps({"weight_map": weight_map}))


def not_finite(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


FOLDERS: tuple[tuple[str, Spoil, str], ...] = (
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), r"tokenizer\.json: no such file; a checkpoint needs"),
    (
        "tokenizer truncated",
        _text("tokenizer.json", '{"version": "1.0", "model": {"type": "Word'),
        r"tokenizer\.json: not a tokenizer",
    ),
    (
        "tokenizer of a larger vocabulary",
        _json("config.json", vocab_size=50),
        r"tokenizer\.json: token id \d+ does not fit vocab_size 50",
    ),
    (
        "vocabulary of other weights",
        _json("config.json", vocab_size=500),
        r"tensor \S+ is \(\d+, \d+\), config\.json asks for \(500",
    ),
    ("no config", lambda f: (f / "config.json").unlink(), r"config\.json: no such file"),
    ("config that is a list", _text("config.json", "[]"), r"config\.json: expected an object"),
    ("config without a size", _json("config.json", hidden_size=...), r"config\.json: missing key 'hidden_size'"),
    ("size that is a text", _json("config.json", hidden_size="64"), r"config\.json: hidden_size is '64'|whole numbers"),
    ("no heads", _json("config.json", num_attention_heads=0), r"config\.json: num_attention_heads is 0"),
    ("heads that do not divide", _json("config.json", num_key_value_heads=3), r"num_key_value_heads divide"),
    (
        "a billion layers",
        _json("config.json", num_hidden_layers=10**9),
        r"config\.json: num_hidden_layers is 1000000000",
    ),
    ("another architecture", _json("config.json", model_type="llama"), r"model_type is 'llama'; only 'qwen2'"),
    ("rotary scaling", _json("config.json", rope_scaling={"type": "yarn"}), r"rope type 'yarn' is not supported"),
    ("sliding window", _json("config.json", use_sliding_window=True), r"use_sliding_window is on"),
    (
        "no end token",
        lambda f: (_json("config.json", eos_token_id=None)(f), _text("generation_config.json", "{}")(f)),
        r"eos_token_id is missing",
    ),
    (
        "end token outside the vocabulary",
        _json("generation_config.json", eos_token_id=10**6),
        r"eos_token_id 1000000 is not a token",
    ),
    ("weights truncated", _truncated, r"model\.safetensors: truncated or damaged"),
    ("weights empty", _text("model.safetensors", ""), r"model\.safetensors: truncated or damaged"),
    ("no weights", lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors: no such file"),
    ("pickled weights only", _pickle_only, r"only pickled weights \(\*\.bin\), which can run code"),
    (
        "shard outside of the folder",
        _index(a="../../secret.safetensors"),
        r"'../../secret\.safetensors' is not the name of a safetensors file",
    ),
    ("shard with an absolute path", _index(a="/etc/passwd"), r"'/etc/passwd' is not the name"),
    ("shard that is a pickle", _index(a="weights.bin"), r"'weights\.bin' is not the name"),
    ("index without a map", _text("model.safetensors.index.json", "{}"), r"weight_map is missing or empty"),
    ("shard that is missing", _index(a="part-1.safetensors"), r"part-1\.safetensors: no such file"),
    ("weights that are not finite", not_finite, r"logits are not finite"),
)


def cases(kind: str) -> list[Case]:
    """One per line above, for training; some for evaluation too; and what the code may never do."""
    found = [Case(f"model: {name}", kind, partial(_train, spoil), said) for name, spoil, said in FOLDERS]
    found += [
        Case(f"model to evaluate: {name}", kind, partial(_generate, spoil), said)
        for name, spoil, said in FOLDERS
        if name in ("no tokenizer", "tokenizer truncated", "weights truncated", "weights that are not finite")
    ]
    found.append(Case("model: trust_remote_code is never on", kind, _no_remote_code))
    found.append(Case("model: custom code in config.json is ignored", kind, _custom_code))
    return found


def copy_of(spoil: Spoil, folder: Path, world: World) -> Path:
    model = folder / "model"
    shutil.copytree(world.base, model)
    spoil(model)
    return model


def _train(spoil: Spoil, folder: Path, world: World) -> Attempt:
    spec = run_spec("grpo", steps=1)
    return Command.red(*world.train(folder / "run", spec, parent=copy_of(spoil, folder, world)))


def _generate(spoil: Spoil, folder: Path, world: World) -> Attempt:
    return Command.red(*world.generate(folder / "out", copy_of(spoil, folder, world)))


def _no_remote_code(folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        sources = [
            p
            for part in ("red", "analysis", "workflow", "config")
            for p in (ROOT / part).rglob("*.*")
            if p.suffix in (".py", ".smk", ".yaml")
        ]
        on = re.compile(r"trust_remote_code\W+(true|1|yes)", re.IGNORECASE)
        guilty = [str(path) for path in sources if on.search(path.read_text(encoding="utf-8"))]
        assert not guilty, guilty
        return f"{len(sources)} files read"

    return attempt


def _custom_code(folder: Path, world: World) -> Attempt:
    """`auto_map` names a module that leaves a mark when it is imported."""

    def spoil(model: Path) -> None:
        _json("config.json", auto_map={"AutoModelForCausalLM": "custom.Model"})(model)
        (model / "custom.py").write_text(f"open({str(folder / 'mark')!r}, 'w')")

    def attempt() -> None:
        from red.__main__ import main

        assert main(world.train(folder / "run", run_spec("sft", steps=1), parent=copy_of(spoil, folder, world))) == 0
        assert not (folder / "mark").exists()

    return attempt
