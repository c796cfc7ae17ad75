"""Models made of others without a training: a snapshot as it is, or with the singular vectors or values of another
model or both in its q, k, v and down projections (Jin et al., arXiv 2509.12235), or with a random change of that size.

All other tensors stay as they are, byte by byte. Decomposed in float64, stored in the dtype of the file.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from red.errors import ConfigError, DataError
from red.models.folder import STATE_DICT, check_files, check_weights, documents, weight_files
from red.models.projections import Place, double, pairs
from red.models.singular import Floats, composed, factors, random_change
from red.plumbing.storage import link_or_copy, write_directory
from red.ranges import Natural
from red.seeds import derive

CARD = "README.md"


@dataclass(frozen=True)
class Derivation:
    """What to make. `of`: the model that is changed, at `step`.

    kind     of each projection W of that model, with W' of the donor
    snapshot W
    vectors  U' diag(σ) V'ᵀ
    values   U diag(σ') Vᵀ
    matrices W'
    null     W + a random matrix of the norm ‖W' - W‖, where the donor is the model with what was restored
    """

    run: str
    seed: Natural
    scale: str
    of: str
    step: Natural
    kind: Literal["snapshot", "vectors", "values", "matrices", "null"]
    donor: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "snapshot") != (self.donor is None):
            raise ConfigError(f"donor: {self.donor!r}; a snapshot has none, every other kind needs one")


def write_derived(spec: Derivation, of: Path, donor: Path | None, card: str, out: Path) -> None:
    """Write the folder `out`, whole or not at all, with `card` as its README.md; matrices are in memory one by one."""
    if spec.kind != "snapshot" and donor is None:
        raise ConfigError(f"--donor: the folder of {spec.donor} is missing")
    if spec.kind == "snapshot" and donor is not None:
        raise ConfigError(f"--donor {donor}: a snapshot has none; leave it out")
    for folder in filter(None, (of, donor)):
        check_files(folder)
        check_weights(folder)

    def fill(partial: Path) -> None:
        for path in documents(of):
            if path.name != CARD and not path.name.startswith("."):
                shutil.copyfile(path, partial / path.name)
        for path in (*weight_files(of), *of.glob(f"{STATE_DICT}.index.json")):
            # A copy where bytes will change: a second name would change the source.
            (link_or_copy if donor is None else shutil.copyfile)(str(path), str(partial / path.name))
        if donor is not None:
            for place, tensor in _changed(spec, of, donor):
                _overwrite(Place(partial / place.file.name, place.tensor), tensor)
        (partial / CARD).write_text(card, encoding="utf-8")

    write_directory(out, fill)


def _changed(spec: Derivation, of: Path, donor: Path) -> Iterator[tuple[Place, torch.Tensor]]:
    for name, place, own, other in pairs(of, donor):
        rng = np.random.default_rng(derive(spec.seed, "derived", spec.run, name))
        changed = torch.from_numpy(matrix(spec.kind, double(own), double(other), rng)).to(own.dtype)
        if not bool(changed.isfinite().all()):
            raise DataError(f"{of}: {name} with the {spec.kind} of {donor} is beyond the numbers of {own.dtype}")
        yield place, changed


def matrix(kind: str, own: Floats, other: Floats, rng: np.random.Generator) -> Floats:
    """One projection of `Derivation.kind`; `other` is the donor's."""
    match kind:
        case "vectors":
            return composed(vectors=factors(other), values=factors(own))
        case "values":
            return composed(vectors=factors(own), values=factors(other))
        case "matrices":
            return other
    return own + random_change(own.shape, float(np.linalg.norm(other - own)), rng)


def _overwrite(place: Place, tensor: torch.Tensor) -> None:
    """Put another tensor of the same shape and dtype in the place of one: 8 bytes of length, a header in JSON, data."""
    with place.file.open("r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        begin, end = json.loads(stream.read(length))[place.tensor]["data_offsets"]
        content = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        assert len(content) == end - begin, f"{place.tensor} changed its size"
        stream.seek(8 + length + begin)
        stream.write(content)
