"""Which model to make, as the configuration says it. No heavy imports: read before anything runs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EmbeddedModel:
    """Spec of an embedded model; `steps` shortens the pretraining, for tests."""

    source: str = "embedded"
    size: Literal["base", "large"] = "base"
    seed: int = 0
    steps: int | None = None
