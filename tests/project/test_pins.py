"""The project's own files agree with each other."""

import re
import tomllib

import pytest
import yaml


def pins(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def test_environment_file_has_the_pins_of_the_project_and_its_gpu_extra(repository):
    project = pins(repository)
    environment = yaml.safe_load((repository / "environment.yml").read_text())
    listed = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert sorted(listed) == sorted(project["dependencies"] + project["optional-dependencies"]["gpu"])


def test_every_dependency_is_pinned_exactly(repository):
    project = pins(repository)
    extras = [pin for extra in project["optional-dependencies"].values() for pin in extra]
    assert [pin for pin in project["dependencies"] + extras if "==" not in pin] == []


def test_the_resolved_engine_list_holds_the_pins_it_was_resolved_from(repository):
    project = pins(repository)
    lines = (repository / "requirements" / "engines-cpu.txt").read_text().lower().splitlines()
    resolved = {line.replace("_", "-") for line in lines}
    wanted = project["dependencies"] + project["optional-dependencies"]["cpu"]
    expected = {pin.lower().replace("_", "-") for pin in wanted if not pin.startswith("torch==")}
    assert expected - resolved == set()
    assert not any(line.startswith(("torch==", "-e ")) or "://" in line for line in resolved)


@pytest.mark.parametrize("name", ["Dockerfile", "red.def"])
def test_containers_take_every_pin_from_the_project(repository, name):
    """No version stands in a definition; what it reads with sed is really found."""
    text = (repository / "containers" / name).read_text()
    assert re.findall(r"[\w-]+==\d", text) == []
    assert 'pip install --editable ".[gpu]"' in text
    project = (repository / "pyproject.toml").read_text()
    for package in re.findall(r's/\^ \*"\\\(([\w-]+)==', text):
        assert re.search(rf'^ *"{package}==[^"]*"', project, re.MULTILINE), package
    assert text.index("torch==") < text.index("flash-attn==") < text.index(".[gpu]")
