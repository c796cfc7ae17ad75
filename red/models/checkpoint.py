"""Model folders in the Hugging Face layout. Weights are safetensors only: pickles can run code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

from red.errors import DataError
from red.models.qwen2 import Qwen2, Shape
from red.plumbing.storage import read_object, write_directory, write_json

WEIGHTS = "model.safetensors"
TIED = "lm_head.weight"
CHAT_END = "<|im_end|>"


@dataclass(frozen=True)
class Checkpoint:
    """A policy with its tokenizer. The three JSON documents are kept, so that saving loses nothing."""

    model: Qwen2
    tokenizer: Tokenizer
    eos_id: int
    config: Mapping[str, Any] = field(default_factory=dict)
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict)


def load(directory: Path | str, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a folder; every defect is one DataError that names the file."""
    directory = Path(directory)
    config = read_object(directory / "config.json")
    shape = Shape.from_config(config, str(directory / "config.json"))
    tokenizer = _tokenizer(directory, shape)
    generation_config = _optional(directory / "generation_config.json")
    return Checkpoint(
        model=_weights(directory, shape).to(device),
        tokenizer=tokenizer,
        eos_id=_eos_id(directory, config, generation_config),
        config=config,
        generation_config=generation_config,
        tokenizer_config=_optional(directory / "tokenizer_config.json"),
    )


def load_tokenizer(directory: Path | str) -> tuple[Tokenizer, int]:
    """The tokenizer and the EOS id of a folder whose weights live elsewhere."""
    directory = Path(directory)
    config = read_object(directory / "config.json")
    shape = Shape.from_config(config, str(directory / "config.json"))
    generation_config = _optional(directory / "generation_config.json")
    return _tokenizer(directory, shape), _eos_id(directory, config, generation_config)


def save(checkpoint: Checkpoint, directory: Path | str, notes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write the folder under a temporary name, sync it, rename it: it is whole or absent.

    `notes` are further JSON documents by file name, e.g. a training summary.
    """

    def fill(partial: Path) -> None:
        _write(checkpoint, partial)
        for name, document in (notes or {}).items():
            write_json(partial / name, document)

    write_directory(Path(directory), fill)


def hugging_face_config(shape: Shape, eos_id: int, pad_id: int) -> dict[str, Any]:
    """config.json of a new model, as transformers and vLLM read it."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "torch_dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": eos_id,
        "pad_token_id": pad_id,
        **vars(shape),
    }


def _write(checkpoint: Checkpoint, directory: Path) -> None:
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in checkpoint.model.state_dict().items()
        if not (name == TIED and checkpoint.model.shape.tie_word_embeddings)
    }
    try:
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, for one
        raise DataError(f"{directory / WEIGHTS}: cannot be written ({error})") from None
    (directory / "tokenizer.json").write_text(checkpoint.tokenizer.to_str(pretty=True), encoding="utf-8")
    write_json(directory / "config.json", checkpoint.config)
    write_json(directory / "generation_config.json", checkpoint.generation_config)
    write_json(directory / "tokenizer_config.json", checkpoint.tokenizer_config)
    # safetensors lets only the owner read; the folder's other files follow the umask.
    (directory / WEIGHTS).chmod((directory / "config.json").stat().st_mode & 0o666)


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.exists() else {}


def read_tokenizer(directory: Path) -> Tokenizer:
    """The folder's tokenizer.json; DataError names the file."""
    path = directory / "tokenizer.json"
    if not path.exists():
        raise DataError(f"{path}: no such file; a checkpoint needs its tokenizer.json beside the weights")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for a malformed file
        raise DataError(f"{path}: not a tokenizer ({error})") from None


def stop_ids(directory: Path) -> tuple[int, ...]:
    """Token ids that end an answer: the model's end tokens and, where it exists, the chat end."""
    config, generation = read_object(directory / "config.json"), _optional(directory / "generation_config.json")
    eos = generation.get("eos_token_id")
    eos = config.get("eos_token_id") if eos is None else eos
    chat_end = read_tokenizer(directory).token_to_id(CHAT_END)
    listed = [*(eos if isinstance(eos, list) else [eos]), chat_end]
    ids = tuple(dict.fromkeys(id for id in listed if id is not None))
    if not ids:
        raise DataError(f"{directory / 'config.json'}: eos_token_id is missing; responses could not end")
    return ids


def _tokenizer(directory: Path, shape: Shape) -> Tokenizer:
    tokenizer = read_tokenizer(directory)
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= shape.vocab_size:
        raise DataError(
            f"{directory / 'tokenizer.json'}: token id {largest} does not fit vocab_size {shape.vocab_size} of "
            "config.json; tokenizer and model do not belong together"
        )
    return tokenizer


def _eos_id(directory: Path, config: Mapping[str, Any], generation_config: Mapping[str, Any]) -> int:
    eos = generation_config.get("eos_token_id", config.get("eos_token_id"))
    if isinstance(eos, list):
        eos = eos[0] if eos else None
    if eos is None:
        raise DataError(f"{directory / 'config.json'}: eos_token_id is missing; responses could not end")
    if type(eos) is not int or not 0 <= eos < config["vocab_size"]:
        raise DataError(f"{directory / 'config.json'}: eos_token_id {eos!r} is not a token of the vocabulary")
    return eos


def _weight_files(directory: Path) -> list[Path]:
    index = directory / f"{WEIGHTS}.index.json"
    if index.exists():
        names = _file_names(read_object(index).get("weight_map"), index)
        return [directory / name for name in names]
    if not (directory / WEIGHTS).exists() and list(directory.glob("*.bin")):
        raise DataError(f"{directory}: only pickled weights (*.bin), which can run code; convert to safetensors")
    return [directory / WEIGHTS]


def _file_names(weight_map: Any, index: Path) -> list[str]:
    """Names of the shards; one that leads out of the folder is refused."""
    values = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not values:
        raise DataError(f"{index}: weight_map is missing or empty")
    for name in values:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise DataError(f"{index}: {name!r} is not the name of a safetensors file beside it")
    return sorted(set(values))


def _weights(directory: Path, shape: Shape) -> Qwen2:
    with torch.device("meta"):
        model = Qwen2(shape)
    tensors: dict[str, torch.Tensor] = {}
    for path in _weight_files(directory):
        if not path.exists():
            raise DataError(f"{path}: no such file")
        try:
            with safe_open(path, framework="pt") as stream:
                for name in stream.keys():  # noqa: SIM118 - not a mapping
                    tensors[name] = stream.get_tensor(name).float()
        except SafetensorError as error:
            raise DataError(f"{path}: truncated or damaged ({error}); copy it again") from None
    if shape.tie_word_embeddings and "model.embed_tokens.weight" in tensors:
        tensors[TIED] = tensors["model.embed_tokens.weight"]
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else "nothing"
        if found != expected.get(name, "nothing"):
            wanted = expected.get(name, "nothing")
            raise DataError(f"{directory}: tensor {name} is {found}, config.json asks for {wanted}")
    model.load_state_dict(tensors, assign=True)
    if shape.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.requires_grad_(True)
