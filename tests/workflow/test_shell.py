"""What the rules put into a shell: every value quoted, and texts of the configuration only from functions."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from red.errors import ConfigError
from red.plumbing.documents import read_yaml
from red.study import config

RULES = sorted((Path(__file__).parents[2] / "workflow").rglob("*.smk"))


def commands(path: Path) -> list[str]:
    """The text of every `shell:` of a Snakefile."""
    found = re.findall(r'^\s+shell:\n((?:\s+".*"\n)+)', path.read_text(encoding="utf-8"), re.MULTILINE)
    return [ast.literal_eval(f"({text})") for text in found]


def params(path: Path) -> list[str]:
    """The first line of every parameter whose text the configuration decides."""
    names = "spec|models|w_log|teacher|wrong_responses"
    return re.findall(rf"^\s+(?:{names})=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_value_is_quoted():
    parts = [part for path in RULES for command in commands(path) for part in Formatter().parse(command)]
    values = [(name, form) for _, name, form, _ in parts if name is not None]
    assert len(values) > 50
    assert [name for name, form in values if form != "q"] == []


def test_every_shell_is_seen():
    for path in RULES:
        assert len(commands(path)) == len(re.findall(r"^\s+shell:", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_braces_of_a_text_are_no_wildcards():
    """Snakemake looks for wildcards in a parameter that is a text, not in what a function returns."""
    found = [line for path in RULES for line in params(path)]
    assert len(found) > 10
    assert [line for line in found if not line.startswith(("lambda", "model_options", "derived_options", '"<'))] == []


REFUSED = (
    "logs/a; touch RAN; echo ",
    "$(touch RAN)",
    "`x`",
    "a'b",
    'a"b',
    "a|b",
    "a\\b",
    "a\n",
    "-rf",
    "~root",
    "{run}",
    "<x>",
)


@pytest.mark.parametrize("folder", REFUSED)
def test_a_folder_that_shells_or_snakemake_would_read_is_refused(repository, folder):
    document = read_yaml(repository / "config" / "default.yaml")
    document["pathvars"] = {**document["pathvars"], "logs": folder}
    with pytest.raises(ConfigError, match=r"pathvars\.logs"):
        config.check_structure(document)


@pytest.mark.parametrize("folder", ["results/my run", "/scratch/münchen/a,b=c@d+e", "../results", "a:b%c"])
def test_other_folders_are_taken_as_they_are(repository, folder):
    document = read_yaml(repository / "config" / "default.yaml")
    config.check_structure({**document, "pathvars": {**document["pathvars"], "results": folder}})
