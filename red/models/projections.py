"""The q, k, v and down projections of a model folder, tensor by tensor: a large model is never in memory as a whole."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from red.errors import DataError
from red.models.folder import opened_weights, weight_files
from red.plumbing.storage import read_object

KINDS = ("q", "k", "v", "down")
PROJECTION = re.compile(r"model\.layers\.(\d+)\.(?:self_attn\.(q|k|v)|mlp\.(down))_proj\.weight")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Place(NamedTuple):
    """A tensor of a folder: its file and its name there."""

    file: Path
    tensor: str


def projections(folder: Path) -> dict[str, Place]:
    """Where each matrix is, by a short name: `layers.0.q`, `layers.0.down`; layers in their order.

    DataError unless there are all of them, of every layer that config.json says: another architecture, or weights
    that are no safetensors, or lack a file.
    """
    found = {}
    for file in weight_files(folder):
        with opened_weights(file, "pt") as stream:
            for tensor in stream.keys():  # noqa: SIM118 - not a mapping
                if match := PROJECTION.fullmatch(tensor):
                    layer, attention, down = match.groups()
                    found[int(layer), attention or down] = Place(file, tensor)
    if not found:
        raise DataError(f"{folder}: no tensor model.layers.<n>.self_attn.<q, k, v>_proj.weight in its safetensors")
    layers = read_object(folder / "config.json").get("num_hidden_layers")
    if type(layers) is not int or len(found) != len(KINDS) * layers or max(found)[0] >= layers:
        projections = f"{len(found)} projections {', '.join(KINDS)} in its safetensors"
        raise DataError(f"{folder}: {projections}, config.json says {layers} layers; copy the model again")
    return {f"layers.{layer}.{kind}": found[layer, kind] for layer, kind in sorted(found)}


def pairs(one: Path, other: Path) -> Iterator[tuple[str, Place, torch.Tensor, torch.Tensor]]:
    """Each matrix of two models: its short name, its place in the first, and both; DataError unless both have the same
    ones, in one shape."""
    first, second = projections(one), projections(other)
    if len(first) != len(second):
        raise DataError(f"{other}: {len(second)} projections, {one} has {len(first)}; give a model of one shape")
    for name, place in first.items():
        ours, theirs = read(place), read(second[name])
        if ours.shape != theirs.shape:
            shapes = f"{tuple(theirs.shape)}, in {place.file} {tuple(ours.shape)}"
            raise DataError(f"{second[name].file}: {second[name].tensor} is {shapes}; give a model of one shape")
        yield name, place, ours, theirs


def read(place: Place) -> torch.Tensor:
    """The tensor as it is stored; DataError if it is no matrix of finite numbers."""
    with opened_weights(place.file, "pt") as stream:
        tensor: torch.Tensor = stream.get_tensor(place.tensor)
    if tensor.dtype not in DTYPES:
        raise DataError(f"{place.file}: {place.tensor} is {tensor.dtype}; only float32, bfloat16 and float16 are read")
    if tensor.ndim != 2 or not tensor.numel() or not bool(tensor.isfinite().all()):
        raise DataError(f"{place.file}: {place.tensor} is no matrix of finite numbers")
    return tensor


def double(tensor: torch.Tensor) -> NDArray[np.float64]:
    """In float64, for decompositions."""
    array: NDArray[np.float64] = tensor.double().numpy()
    return array
