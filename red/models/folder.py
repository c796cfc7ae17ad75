"""A model folder without its weights: the documents in it, the tokenizer, the end tokens, the chat template."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from tokenizers import Tokenizer

from red.errors import DataError, foreign
from red.plumbing import checksums
from red.plumbing.storage import LARGEST_DOCUMENT, read_bytes, read_object, read_text
from red.text.codec import Codec, chat_end

CHAT_TEMPLATE = "chat_template.jinja"
STATE_DICT = "model.safetensors"
# Weights in any layout, and what belongs to their layout. Everything else of a folder is kept, understood or not.
WEIGHTS = ("*.safetensors", "*.index.json", "*.bin", "*.pt", "*.pth", "*.gguf", "*.h5", "*.msgpack", "*.onnx")
# Base models have it in their vocabulary, and some learned to write it, although their config does not name it.
CHATML_END = "<|im_end|>"
MOST_GROWTH = 1000
"""Characters that a tokenizer may make of one."""
MOST_COPIES = 4
"""Times the safetensors that each other file of weights may be: the same numbers, in more bytes."""


def load_codec(directory: Path | str) -> Codec:
    """How the model of a folder reads and ends texts; every defect is one DataError that names the file."""
    directory = Path(directory)
    check_files(directory)
    config = read_object(directory / "config.json")
    tokenizer = read_tokenizer(directory)
    size = _vocabulary_size(config)
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if size is not None and largest >= size:
        raise DataError(
            f"{directory / 'tokenizer.json'}: token id {largest} does not fit vocab_size {size} of "
            "config.json; tokenizer and model do not belong together"
        )
    settings = optional(directory / "tokenizer_config.json")
    template, special_tokens = _chat_template(directory, settings), _special_tokens(settings)
    ends: list[int | None] = [*_end_ids(directory, config)]
    ends = ends or [tokenizer.token_to_id(special_tokens.get("eos_token", ""))]
    try:
        ends += [chat_end(tokenizer, template, special_tokens), tokenizer.token_to_id(CHATML_END)]
    except DataError as error:
        raise DataError(f"{directory}: {error}") from None
    stop_ids = tuple(dict.fromkeys(id for id in ends if id is not None))
    if not stop_ids:
        raise DataError(f"{directory / 'config.json'}: eos_token_id is missing; responses could not end")
    return Codec(tokenizer, stop_ids, template, special_tokens)


def read_tokenizer(directory: Path) -> Tokenizer:
    """The folder's tokenizer.json; DataError names the file."""
    path = directory / "tokenizer.json"
    if not path.exists():
        raise DataError(f"{path}: no such file; a checkpoint needs its tokenizer.json beside the weights")
    content = read_bytes(path)
    with foreign(f"{path}: not a tokenizer"):
        tokenizer = Tokenizer.from_buffer(content)
        # Left behind by somebody's batches; every text here is read whole, and alone.
        tokenizer.no_truncation()
        tokenizer.no_padding()
    for part in (tokenizer.normalizer, tokenizer.decoder):
        if part is not None and (growth := _growth(json.loads(part.__getstate__()))) > MOST_GROWTH:
            raise DataError(
                f"{path}: {type(part).__name__} may make {growth:.0e} characters of one; not a tokenizer to use"
            )
    return tokenizer


def check_same_tokens(folder: Path, other: Path) -> None:
    """DataError unless both models give every token the same number."""
    theirs, ours = (read_tokenizer(each).get_vocab(with_added_tokens=True) for each in (folder, other))
    differ = sorted(token for token in theirs.keys() | ours.keys() if theirs.get(token) != ours.get(token))
    if differ:
        raise DataError(
            f"{folder}: another tokenizer than {other}: {len(differ)} tokens differ, the first is {differ[0]!r}; "
            "take a model of the same family"
        )


def _growth(part: Mapping[str, Any]) -> float:
    """How many characters a part of a tokenizer makes of one, at most; a few rules in a row would fill all memory."""
    match part["type"]:
        case "Sequence":
            return math.prod(map(_growth, part.get("normalizers") or part.get("decoders") or ()))
        case "Replace":
            length = len(part["pattern"].get("String", ""))
            return max(1.0, len(part["content"]) / length if length else len(part["content"]) + 1)
        case "Prepend":
            return len(part["prepend"]) + 1.0
    return 1.0


def check_files(directory: Path) -> None:
    """DataError unless everything in a model folder is a regular file of its own, of a size that can be.

    A link may lead to another place of the folder or to the blobs of the hub's own cache. Anything else could hang a
    library that opens it, never end, or put somebody's secret into a copy.
    """
    root = directory.resolve()
    homes = [root, *([root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [])]
    sized = []
    for path in sorted(directory.rglob("*")):
        place = Path(os.path.realpath(path))  # which does not mind a loop
        if not any(place.is_relative_to(home) for home in homes):
            raise DataError(f"{path}: a link that leads out of the folder, to {place}; copy the file there")
        if not place.is_file() and not place.is_dir():
            raise DataError(f"{path}: not a regular file; remove it")
        if place.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts):
            sized.append(path)
    read = sum(path.stat().st_size for path in sized if path.suffix == ".safetensors")
    for path in sized:
        _check_size(path, read)


@contextmanager
def opened_weights(path: Path, framework: str) -> Iterator[Any]:
    """A safetensors file for reading; DataError if it is not there, or damaged, here or inside of the block."""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    path.open("rb").close()  # where that is not permitted, safetensors says that there is no such file
    with foreign(f"{path}: truncated or damaged, copy it again"), safe_open(path, framework=framework) as stream:
        yield stream


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model: those that its index names, else the one of the usual name."""
    index = directory / f"{STATE_DICT}.index.json"
    if index.exists():
        names = _file_names(read_object(index).get("weight_map"), index)
        return [directory / name for name in names]
    if not (directory / STATE_DICT).exists() and list(directory.glob("*.bin")):
        raise DataError(f"{directory}: only pickled weights (*.bin), which can run code; convert to safetensors")
    return [directory / STATE_DICT]


def _file_names(weight_map: Any, index: Path) -> list[str]:
    """Names of the shards; one that leads out of the folder is refused."""
    values = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not values:
        raise DataError(f"{index}: weight_map is missing or empty")
    for name in values:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise DataError(f"{index}: {name!r} is not the name of a safetensors file beside it")
    return sorted(set(values))


def check_weights(directory: Path) -> None:
    """DataError unless every file of weights is there, and every tensor that the index names in the file it names."""
    index = directory / f"{STATE_DICT}.index.json"
    files = weight_files(directory)
    places = read_object(index)["weight_map"] if index.exists() else {}
    for path in files:
        with opened_weights(path, "np") as stream:
            found = set(stream.keys())
        for tensor in sorted(tensor for tensor, file in places.items() if file == path.name and tensor not in found):
            raise DataError(f"{path}: no tensor {tensor}, which {index.name} beside it lists; copy the model again")


def _check_size(path: Path, read: int) -> None:
    """All files of a folder are read for its hash, of which `read` bytes are safetensors. What git keeps, hidden and in
    pieces, has no limit."""
    if path.suffix == ".safetensors":
        with opened_weights(path, "np"):
            pass  # it compares the size with what the header says
    elif not any(path.match(pattern) for pattern in WEIGHTS):
        if path.stat().st_size > LARGEST_DOCUMENT:
            raise DataError(f"{path}: larger than {LARGEST_DOCUMENT >> 20} MiB, and no weights; remove it")
    elif path.stat().st_size > max(LARGEST_DOCUMENT, MOST_COPIES * read):
        limit = f"more than {MOST_COPIES} times the safetensors, the only weights that are read"
        raise DataError(f"{path}: {limit}; convert or remove it")


def window(directory: Path) -> int | None:
    """Tokens that a model can read, if its config.json says so."""
    size = read_object(directory / "config.json").get("max_position_embeddings")
    if size is None or (type(size) is int and size > 0):
        return size
    raise DataError(f"{directory / 'config.json'}: max_position_embeddings is {size!r}, not a number of tokens")


def size(directory: Path) -> dict[str, int]:
    """Parameters, layers, hidden_size, vocabulary and window (tokens) of a model, as far as its files say; no weight is
    read."""
    document = read_object(directory / "config.json")
    names = {"layers": "num_hidden_layers", "hidden_size": "hidden_size", "vocabulary": "vocab_size"}
    found = {ours: document.get(theirs) for ours, theirs in names.items()} | {"window": window(directory)}
    found["parameters"] = sum(map(_parameters, directory.glob("*.safetensors")))
    return {name: value for name, value in found.items() if type(value) is int and value > 0}


def _parameters(path: Path) -> int:
    with opened_weights(path, "np") as stream:
        return sum(math.prod(stream.get_slice(name).get_shape()) for name in stream.keys())  # noqa: SIM118


def check_window(directory: Path, prompt: str, length: int, new: int, where: str) -> None:
    """DataError if the longest prompt, of `length` tokens, and a response of `new` are more than a model reads.

    `prompt` names it, `where` the number to lower.
    """
    most = window(directory)
    if most is not None and length + new > most:
        raise DataError(
            f"{prompt} needs {length} + {new} tokens, {directory} reads {most}; lower {where} or prepare the model for "
            "more"
        )


def optional(path: Path) -> dict[str, Any]:
    """A JSON object, empty if there is no such file."""
    return read_object(path) if path.exists() else {}


def documents(directory: Path) -> Iterator[Path]:
    """The files of a folder that hold no weights, but the list of its files."""
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.name != checksums.NAME and not any(path.match(pattern) for pattern in WEIGHTS):
            yield path


def _end_ids(directory: Path, config: Mapping[str, Any]) -> Iterator[int]:
    """Every end token of the two configs; those of generation_config.json come first."""
    size = _vocabulary_size(config)
    for name, document in (
        ("generation_config.json", optional(directory / "generation_config.json")),
        ("config.json", config),
    ):
        value = document.get("eos_token_id")
        for end in value if isinstance(value, list) else [value]:
            if end is None:
                continue
            if type(end) is not int or end < 0 or (size is not None and end >= size):
                raise DataError(f"{directory / name}: eos_token_id {end!r} is not a token of the vocabulary")
            yield end


def _vocabulary_size(config: Mapping[str, Any]) -> int | None:
    size = config.get("vocab_size")
    return size if isinstance(size, int) else None


def _chat_template(directory: Path, settings: Mapping[str, Any]) -> str | None:
    """From a file of its own, or from its older place, where several have names."""
    path = directory / CHAT_TEMPLATE
    if path.exists():
        return read_text(path)
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = [entry for entry in template if isinstance(entry, dict) and entry.get("name") == "default"]
        template = named[-1].get("template") if named else None
    return template if isinstance(template, str) else None


def _special_tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    """bos_token, eos_token and the like, as texts; tokenizers write them as texts or as objects."""
    tokens = {name: value for name, value in settings.items() if name.endswith("_token")}
    texts = {name: value.get("content") if isinstance(value, dict) else value for name, value in tokens.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}
