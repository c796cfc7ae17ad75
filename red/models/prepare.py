"""A base model from the hub or a local folder, made ready for 8192-token responses."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.errors import DataError
from red.models.folder import CHAT_TEMPLATE, check_files, check_weights, documents, optional
from red.plumbing.checksums import file_hash, folder_hash, refuse_inputs, refuse_inside
from red.plumbing.records import from_mapping
from red.plumbing.storage import read_object, write_directory, write_json
from red.ranges import Count, Positive
from red.text.template import TEMPLATES, THINK_SYSTEM

# What is fetched from the hub.
DOWNLOADED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


@dataclass(frozen=True)
class PreparedModel:
    """Where the weights are and what changes in config.json.

    `folder` wins over the hub. `sha256` maps file names to expected hashes. A longer window needs a
    larger rotary base: 10000 to 40000 for 4096 to 16384 positions.
    """

    source: str
    id: str
    revision: str | None = None
    folder: str | None = None
    sha256: Mapping[str, str] | None = None
    rope_theta: Positive | None = None
    max_position_embeddings: Count | None = None
    chat_template: str | None = None


def prepare(spec: Mapping[str, Any], out: Path) -> None:
    """Copy the model to `out` with its config patched; the folder is whole or absent."""
    model = from_mapping(PreparedModel, spec, "model")
    source = _find(model)
    refuse_inputs(out, (source,))
    refuse_inside(out, (source,))
    check_files(source)
    folder_hash(source)  # a folder that this program made must be as it was made
    if not list(source.glob("*.safetensors")):
        raise DataError(f"{source}: no *.safetensors; pickled weights can run code and are refused")
    check_weights(source)
    for name, expected in (model.sha256 or {}).items():
        if not (source / name).exists() or file_hash(source / name) != expected:
            raise DataError(f"{source / name}: missing, or its SHA-256 is not the one in the configuration")

    def fill(folder: Path) -> None:
        weights = [*source.glob("*.safetensors"), *source.glob("*.safetensors.index.json")]
        for file in (*weights, *documents(source)):
            shutil.copyfile(file, folder / file.name)
        config = read_object(folder / "config.json")
        write_json(folder / "config.json", patched(config, model))
        if model.chat_template is not None:
            (folder / CHAT_TEMPLATE).write_text(jinja(model.chat_template), encoding="utf-8")
            tokenizer = optional(folder / "tokenizer_config.json")
            if tokenizer.pop("chat_template", None) is not None:  # its older place
                write_json(folder / "tokenizer_config.json", tokenizer)

    write_directory(out, fill)


def patched(config: Mapping[str, Any], model: PreparedModel) -> dict[str, Any]:
    """config.json with the longer window; the two places of rotary settings stay consistent."""
    result = dict(config)
    if model.max_position_embeddings is not None:
        result["max_position_embeddings"] = model.max_position_embeddings
    if model.rope_theta is not None:
        result["rope_theta"] = model.rope_theta
        if isinstance(result.get("rope_parameters"), dict):
            result["rope_parameters"] = {**result["rope_parameters"], "rope_theta": model.rope_theta}
    return result


def jinja(template: str) -> str:
    """A chat template that renders one user message as our template of that name does."""
    text = TEMPLATES[template].replace("{system}", THINK_SYSTEM)
    before, after = text.split("{question}")
    return f"{{{{ {json.dumps(before)} + messages[-1]['content'] + {json.dumps(after)} }}}}"


def _find(model: PreparedModel) -> Path:
    if model.folder is not None:
        if not (Path(model.folder) / "config.json").exists():
            raise DataError(f"{model.folder}: no config.json there; model.folder names a Hugging Face folder")
        return Path(model.folder)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model.id, revision=model.revision, allow_patterns=list(DOWNLOADED)))
