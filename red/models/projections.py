"""The q, k, v and down projections of a model folder, tensor by tensor: a large model is never in memory as a whole."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from red.errors import DataError
from red.models.folder import opened_weights

PROJECTION = re.compile(r"model\.layers\.(\d+)\.(?:self_attn\.(q|k|v)|mlp\.(down))_proj\.weight")


class Place(NamedTuple):
    """A tensor of a folder: its file and its name there."""

    file: Path
    tensor: str


def projections(folder: Path) -> dict[str, Place]:
    """Where each matrix is, by a short name: `layers.0.q`, `layers.0.down`; layers in their order.

    DataError for a folder with none of them: another architecture, or weights that are no safetensors.
    """
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with opened_weights(file, "pt") as stream:
            for tensor in stream.keys():  # noqa: SIM118 - not a mapping
                if match := PROJECTION.fullmatch(tensor):
                    layer, attention, down = match.groups()
                    found[int(layer), attention or down] = Place(file, tensor)
    if not found:
        raise DataError(f"{folder}: no tensor model.layers.<n>.self_attn.<q, k, v>_proj.weight in its safetensors")
    return {f"layers.{layer}.{kind}": found[layer, kind] for layer, kind in sorted(found)}


def read(place: Place) -> torch.Tensor:
    """The tensor as it is stored; DataError if it is no matrix of finite numbers."""
    with opened_weights(place.file, "pt") as stream:
        tensor: torch.Tensor = stream.get_tensor(place.tensor)
    if tensor.ndim != 2 or not tensor.numel() or not bool(tensor.isfinite().all()):
        raise DataError(f"{place.file}: {place.tensor} is no matrix of finite numbers")
    return tensor


def read_pair(name: str, one: Mapping[str, Place], other: Mapping[str, Place]) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix of two models; DataError unless both have it in one shape."""
    if name not in other:
        raise DataError(f"{next(iter(other.values())).file}: no {one[name].tensor} there; give a model of one shape")
    first, second = read(one[name]), read(other[name])
    if first.shape != second.shape:
        shapes = f"{tuple(second.shape)}, in {one[name].file} {tuple(first.shape)}"
        raise DataError(f"{other[name].file}: {other[name].tensor} is {shapes}; give a model of one shape")
    return first, second


def double(tensor: torch.Tensor) -> NDArray[np.float64]:
    """In float64, for decompositions."""
    array: NDArray[np.float64] = tensor.double().numpy()
    return array
