"""Pieces of configuration on the pages are taken as they stand; messages that a page explains are those of the code."""

import ast
import re
from pathlib import Path

import pytest
import snakemake.exceptions
import snakemake_executor_plugin_slurm
import yaml

from red.errors import ConfigError
from red.study import config
from tests.docs.pages import read

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = read(REPOSITORY)
# What a piece lies over: the last that takes it is enough.
BELOW = (["default"], ["default", "paper"], ["default", "paper", "sweep"])
KEYS = config.read_yaml(config.SCHEMA)["properties"]
# Pages that are followed in a copy of the project, with the modules that their pieces name.
FOLLOWED = ("docs/tutorial.md", "docs/extend.md")
SHORTEST = 8  # letters that say which message it is


def pieces() -> list:
    """Overlays: YAML all of whose keys are sections of the configuration."""
    return [
        pytest.param(text, id=f"{page.name}: {text.splitlines()[0][:50]}")
        for page in PAGES.values()
        if page.name not in FOLLOWED
        for text in dict.fromkeys(page.yaml)
        if (document := _parsed(text)) and set(document) <= set(KEYS)
    ]


def _parsed(text: str) -> dict:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:  # a name in <brackets>, a template of a message
        return {}
    return found if isinstance(found, dict) else {}


@pytest.mark.parametrize("piece", pieces())
def test_a_piece_of_configuration_is_taken(repository, piece, tmp_path):
    (tmp_path / "piece.yaml").write_text(piece)
    faults = []
    for names in BELOW:
        try:
            config.load(*(repository / "config" / f"{name}.yaml" for name in names), tmp_path / "piece.yaml")
            return
        except ConfigError as fault:
            faults.append(str(fault))
    pytest.fail("; ".join(faults))


def test_there_are_pieces():
    assert len(pieces()) > 15


def test_an_import_that_is_shown_works():
    shown = [block for page in PAGES.values() for block in page.blocks if block.startswith("from ")]
    assert shown
    for block in shown:
        exec(block, {})


def messages() -> list[str]:
    """Those that the page explains."""
    rows = re.findall(r"^\| (.+?) \| ", PAGES["docs/troubleshooting.md"].text.replace("\\|", "|"), re.MULTILINE)
    return [message.strip() for row in rows for _, message in re.findall(r"(`+)(.+?)\1", row)]


def said() -> set[str]:
    """Every text of the code, and of what speaks for it, cut where a value is put in."""
    rooms = [REPOSITORY / name for name in ("red", "analysis", "workflow")]
    packages = (snakemake.exceptions, snakemake_executor_plugin_slurm)
    files = [*(path for room in rooms for path in room.rglob("*.py")), *(Path(one.__file__) for one in packages)]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text.strip() for text in texts if isinstance(text, str)}


def test_every_message_that_is_explained_is_said():
    """Most of its words without the values: a part of a message that the code has, or a text of the code in it."""
    texts = {text for text in said() if len(text) >= SHORTEST}
    asked = messages()
    assert len(asked) > 20

    def known(message: str) -> bool:
        parts = [part for part in (part.strip(" :,;") for part in message.split("…")) if len(part) >= SHORTEST]
        return any(text in message or any(part in text for part in parts) for text in texts)

    assert [message for message in asked if not known(message)] == []
