"""Model folders in the Hugging Face layout. Weights are safetensors only: pickles can run code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from red.errors import DataError
from red.models.folder import STATE_DICT, check_files, documents, load_codec, opened_weights, optional, weight_files
from red.models.processor import use_common_instructions
from red.models.qwen2 import Qwen2, Shape
from red.plumbing.checksums import folder_hash
from red.plumbing.storage import read_bytes, read_object, write_directory, write_json
from red.text.codec import Codec

EMBEDDING = "model.embed_tokens.weight"
TIED = "lm_head.weight"
UNUSED = "rotary_emb.inv_freq"  # old Llama files hold the rotary frequencies, which config.json gives
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Documents that are read; the others of a folder are kept byte by byte.
READ = ("config.json", "generation_config.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Checkpoint:
    """A policy with its codec. The JSON documents and all other files are kept, so that saving loses nothing."""

    model: Qwen2
    codec: Codec
    config: Mapping[str, Any] = field(default_factory=dict)
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Tokenizer:
        """The codec's."""
        tokenizer = self.codec.tokenizer
        assert isinstance(tokenizer, Tokenizer)
        return tokenizer

    @property
    def eos_id(self) -> int:
        """The first end token."""
        return self.codec.stop_ids[0]


def load(directory: Path | str, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a folder for the local engine, in float32; every defect is one DataError that names the file."""
    use_common_instructions()
    directory = Path(directory)
    check_files(directory)
    config = read_object(directory / "config.json")
    shape = Shape.from_config(config, str(directory / "config.json"))
    checkpoint = Checkpoint(
        codec=load_codec(directory),
        model=_weights(directory, shape).to(device),
        config=config,
        generation_config=optional(directory / "generation_config.json"),
        tokenizer_config=optional(directory / "tokenizer_config.json"),
        files={path.name: read_bytes(path) for path in documents(directory) if path.name not in READ},
    )
    folder_hash(directory)  # what was read is what was saved
    return checkpoint


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
        **shape.sizes(),
    }


def weights_dtype(config: Mapping[str, Any]) -> torch.dtype:
    """In which the weights of a model are saved; float32 if its config does not say."""
    return DTYPES.get(str(config.get("dtype") or config.get("torch_dtype")), torch.float32)


def cast_weights(directory: Path, dtype: torch.dtype) -> None:
    """Every safetensors file of a folder in `dtype`; files that are in it stay as they are."""
    for path in directory.glob("*.safetensors"):
        tensors = load_file(path)
        if any(tensor.dtype != dtype for tensor in tensors.values()):
            cast = {name: tensor.to(dtype) for name, tensor in tensors.items()}
            save_file(cast, path, metadata={"format": "pt"})


def _write(checkpoint: Checkpoint, directory: Path) -> None:
    dtype = weights_dtype(checkpoint.config)
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in checkpoint.model.state_dict().items()
        if not (name == TIED and checkpoint.model.shape.tie_word_embeddings)
    }
    try:
        save_file(tensors, directory / STATE_DICT, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, for one
        raise DataError(f"{directory / STATE_DICT}: cannot be written ({error})") from None
    write_json(directory / "config.json", checkpoint.config)
    write_json(directory / "generation_config.json", checkpoint.generation_config)
    write_json(directory / "tokenizer_config.json", checkpoint.tokenizer_config)
    files = {"tokenizer.json": checkpoint.tokenizer.to_str(pretty=True).encode(), **checkpoint.files}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    # safetensors lets only the owner read; the folder's other files follow the umask.
    (directory / STATE_DICT).chmod((directory / "config.json").stat().st_mode & 0o666)


def _names(stream: Any) -> list[str]:
    return [name for name in stream.keys() if not name.endswith(UNUSED)]  # noqa: SIM118 - not a mapping


def _sizes(path: Path) -> dict[str, tuple[int, ...]]:
    """Of all tensors, before one is read: a few bytes can name a tensor of terabytes."""
    with opened_weights(path, "pt") as stream:
        return {name: tuple(stream.get_slice(name).get_shape()) for name in _names(stream)}


def _weights(directory: Path, shape: Shape) -> Qwen2:
    with torch.device("meta"):
        model = Qwen2(shape)
    paths = weight_files(directory)
    found = {name: size for path in paths for name, size in _sizes(path).items()}
    if shape.tie_word_embeddings and EMBEDDING in found:
        found[TIED] = found[EMBEDDING]
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        ours, asked = found.get(name, "nothing"), expected.get(name, "nothing")
        if ours != asked:
            raise DataError(f"{directory}: tensor {name} is {ours}, config.json asks for {asked}")
    tensors: dict[str, torch.Tensor] = {}
    for path in paths:
        with opened_weights(path, "pt") as stream:
            tensors |= {name: stream.get_tensor(name).float() for name in _names(stream)}
    if shape.tie_word_embeddings:
        tensors[TIED] = tensors[EMBEDDING]
    model.load_state_dict(tensors, assign=True)
    if shape.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.requires_grad_(True)
