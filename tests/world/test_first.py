"""The first world, of the results up to November 2026, is still there, bit for bit: config/worlds/first.yaml."""

import hashlib
import json
from pathlib import Path
from random import Random

import pytest

from red.data.sources import embedded
from red.plumbing.documents import read_yaml
from red.plumbing.records import from_mapping
from red.seeds import derive
from red.world import benchmarks, mixture, vocabulary
from red.world.spec import World


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def knobs(repository: Path) -> dict:
    return read_yaml(repository / "config" / "worlds" / "first.yaml")["world"]


def test_pretraining_reads_the_same_texts(knobs):
    world, random = from_mapping(World, knobs, "world"), Random(derive(0, "pretraining", "texts"))
    assert digest([mixture.pretraining_text(random, world)[:3] for _ in range(2000)]) == "0a34380eba592082"
    assert digest([mixture.teacher_text(random, world)[:3] for _ in range(500)]) == "d2f7057525a040ea"


def test_training_has_the_same_prompts_and_demonstrations(knobs):
    rows = embedded.prompts({"world": knobs, "count": 3000}).rows
    assert digest([row["question"] for row in rows]) == "3a3a77d36cdd397a"
    made = embedded.demonstrations({"world": knobs}, rows)
    assert digest([one.response for one in made]) == "d0ecc6ad33e8b6c0"


def test_words_and_benchmarks_are_the_same():
    assert digest(vocabulary.VOCABULARY) == "e38ba8ad6e49cb6b"
    assert digest([benchmarks.rows(name) for name in benchmarks.RECIPES]) == "2a8c13f11aeeabe9"


def test_every_knob_is_written_down(knobs):
    """A default that moves must not move the first world."""
    assert set(knobs) == set(World.__dataclass_fields__)
