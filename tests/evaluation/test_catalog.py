from dataclasses import asdict
from pathlib import Path

import pytest

from red.errors import ConfigError
from red.evaluation.catalog import benchmark, names, parts
from red.plumbing.checksums import file_hash
from red.plumbing.storage import read_json
from red.study import config


def test_the_catalog_holds_the_nine_benchmarks_and_two_parts():
    wholes = [name for name in names() if benchmark(name).part_of is None]
    assert len(wholes) == 9
    assert {name for name in names() if benchmark(name).part_of} == {"amc23_40", "olympiad_solvable"}


def test_a_part_has_the_settings_of_the_whole():
    part = benchmark("amc23_40")
    assert (part.rows, part.samples, part.metric) == (40, 32, "avg_at_k")
    assert [p.name for p in parts("amc")] == ["amc23_40"]


def test_an_entry_overrides_single_fields():
    found = benchmark("aime24", {"samples": 2, "hub": {"revision": "abc"}})
    assert (found.samples, found.hub.revision, found.hub.split) == (2, "abc", "train")


def test_a_source_gives_a_benchmark_another_name():
    assert benchmark("aime_again", {"source": "aime24"}).rows == 30


@pytest.mark.parametrize(("name", "answer"), [("aime26", "did you mean 'aime2[45]'"), ("zzzzzz", "aime24, aime25")])
def test_an_unknown_benchmark_is_answered_with_the_nearest_or_all(name, answer):
    with pytest.raises(ConfigError, match=rf"benchmarks\.{name}\.source.*{answer}"):
        benchmark(name)


def test_an_unknown_key_is_named_with_its_path():
    with pytest.raises(ConfigError, match="benchmarks.aime24.sample: unknown key"):
        benchmark("aime24", {"sample": 2})


def test_a_new_benchmark_needs_only_an_entry():
    how = {"group": "math", "grader": "math", "metric": "pass_at_1", "samples": 1}
    assert benchmark("mine", {**how, "data_dir": "folder", "file": "mine.jsonl"}).file == "mine.jsonl"


def test_the_paper_configuration_agrees_with_the_catalog(repository: Path):
    """Metric, samples, grader and group stand in both; where they differ, one of them is wrong."""
    document = config.load(repository / "config/default.yaml", repository / "config/paper.yaml")
    for name, entry in document["benchmarks"].items():
        found, known = asdict(benchmark(name, entry)), asdict(benchmark(name))
        # Where the data lie is the user's choice.
        for key in ("source", "data_dir"):
            found.pop(key), known.pop(key)
        assert found == known


def test_checksums_and_row_counts_are_those_of_the_reference_manifest(shared: Path):
    manifest = {entry["file"]: entry for entry in read_json(shared / "benchmarks/MANIFEST.json")["files"]}
    for found in map(benchmark, names()):
        assert found.sha256 == manifest[found.file]["sha256"] == file_hash(shared / "benchmarks" / found.file)
        if found.part_of is None:
            assert found.rows == manifest[found.file]["rows"]
