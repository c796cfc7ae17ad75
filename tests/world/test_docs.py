"""docs/world.md shows what the default world says."""

import re
from pathlib import Path
from random import Random

from red.plumbing.records import from_mapping
from red.study import config
from red.text.template import render
from red.world import styles
from red.world.pretraining import TEMPLATE
from red.world.problems import parse
from red.world.spec import World

QUESTIONS = ("Compute 34+28", "Solve 3x-1=47", "4 boxes of 17 pens, then 5 lost")


def examples(world: World) -> dict[str, str]:
    """Blocks of the page by the first word of their titles."""
    problems = [parse(question) for question in QUESTIONS]
    return {
        "question": render(QUESTIONS[0], None, TEMPLATE),
        "base": "\n".join(styles.base_response(Random(index), p, world) for index, p in enumerate(problems)),
        "teacher": "\n".join(styles.teacher_response(Random(index), p, world) for index, p in enumerate(problems)),
    }


def test_the_page_shows_what_the_generator_says(repository: Path):
    knobs = config.load(repository / "config" / "default.yaml").get("world", {})
    page = (repository / "docs" / "world.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r'```text title="(?:a |the )(\w+)[^"]*"\n(.*?)\n```', page, re.S))
    made = examples(from_mapping(World, knobs, "world"))
    assert {name: blocks[name] for name in made} == made
