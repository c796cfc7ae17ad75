"""The forge's workflow runs what a person can run, on every Python that the project says it supports."""

import re
import tomllib

import pytest
import yaml


@pytest.fixture(scope="module")
def jobs(repository):
    return yaml.safe_load((repository / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()


def steps(job, key):
    return [step[key] for step in job["steps"] if key in step]


def test_it_runs_ci_and_the_tests(repository, jobs):
    commands = [command for job in jobs for command in steps(job, "run")]
    assert commands == [".ci/run", "make test"]
    assert (repository / ".ci" / "run").stat().st_mode & 0o111
    assert re.search(r"^test:", (repository / "Makefile").read_text(), re.MULTILINE)


def test_each_supported_python_is_tried(repository, jobs):
    """Python 3.11 up to, but not including, 3.13."""
    requires = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["requires-python"]
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", requires).groups())
    tried = [settings["python-version"] for job in jobs for settings in steps(job, "with")]
    assert tried == [f"3.{minor}" for minor in range(low, high)]
