import math
import re
from pathlib import Path

import numpy as np
import pytest

from red.__main__ import main
from red.errors import ConfigError
from red.evaluation import benchmarks as sets
from red.evaluation.catalog import benchmark
from red.evaluation.generate import generate
from red.evaluation.presentation import lines
from red.evaluation.protected import letters_only
from red.evaluation.spec import EvaluationSettings, GenerationSpec
from red.evaluation.standalone import Options, specification
from red.evaluation.summary import Answers, score, scores
from red.evaluation.verdicts import grade_answers
from red.plumbing.storage import read_json, write_jsonl
from red.sampling import open_backend
from red.study.config import load


@pytest.fixture
def arguments(make_checkpoint, tmp_path: Path, repository: Path) -> list[str]:
    """A small evaluation in the tiny world."""
    return [
        "evaluate",
        "--model",
        str(make_checkpoint(0)),
        "--benchmarks",
        "aime24,arc_c",
        "--samples",
        "2",
        "--limit",
        "5",
        "--max-new-tokens",
        "16",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--config",
        str(repository / "config/default.yaml"),
    ]


def test_one_command_prints_a_table_and_writes_it(arguments, tmp_path, capsys):
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "AIME24" in printed and "ARC-C" in printed and "5 x 2" in printed
    summary = read_json(tmp_path / "out/summary.json")
    assert [score["problems"] for score in summary["scores"]] == [5, 5]
    assert set(summary["means"]) == {"math", "out_of_domain"}
    assert "| AIME24 | 5 x 2 |" in (tmp_path / "out/summary.md").read_text()


def test_the_same_for_programs(arguments, tmp_path, capsys):
    assert main([*arguments, "--json"]) == 0
    assert capsys.readouterr().out == (tmp_path / "out/summary.json").read_text()


def test_a_second_call_gives_the_same_files(arguments, tmp_path):
    main(arguments)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}
    main(arguments)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}


def test_parts_are_scored_beside_the_whole_without_new_answers(byte_checkpoint, tmp_path):
    lines = [{"id": f"amc-{i}", "problem": "1+1", "answer": "2", "source": {"in_amc23_40": i < 3}} for i in range(5)]
    write_jsonl(tmp_path / "amc.jsonl", lines)
    entry = {"data_dir": str(tmp_path), "rows": 5, "sha256": None, "samples": 2}
    wanted = benchmark("amc", entry)
    write_jsonl(tmp_path / "normalized/amc.jsonl", sets.rows("amc", entry))
    spec = GenerationSpec("qwen_boxed", EvaluationSettings("local", 1.0, 8), {"amc": entry})
    generate([(byte_checkpoint, tmp_path / "out")], spec, tmp_path / "normalized", open_backend, letters_only)
    asked = [(wanted, sets.read(tmp_path / "normalized/amc.jsonl"))]
    grade_answers(tmp_path / "out", asked, workers=1)
    found = [(score.benchmark, score.problems, score.is_part) for score in scores(tmp_path / "out", asked)]
    assert found == [("amc", 5, False), ("amc23_40", 3, True)]


def test_without_a_configuration_the_protocol_is_that_of_luffy():
    spec = specification(Options(Path("m"), "aime24,math500", Path("out")))
    settings = spec.evaluation
    assert (settings.temperature, settings.top_p, settings.max_new_tokens) == (0.6, 1.0, 8192)
    assert spec.template == "think"
    assert [entry["samples"] for entry in spec.benchmarks.values()] == [32, 4]


def test_options_win_over_the_configuration(repository: Path):
    spec = specification(
        Options(
            Path("m"),
            "aime24",
            Path("out"),
            config=load(repository / "config/default.yaml"),
            temperature=0.0,
            samples=1,
            template="chat",
            backend="vllm",
        )
    )
    assert spec.benchmarks["aime24"]["source"] == "embedded"
    assert (spec.evaluation.temperature, spec.template, spec.evaluation.backend) == (0.0, "chat", "vllm")


def test_a_file_of_problems_needs_no_configuration(make_checkpoint, tmp_path, capsys):
    write_jsonl(
        tmp_path / "My set.jsonl", [{"id": f"p{i}", "question": f"{i}+1", "answer": str(i + 1)} for i in range(3)]
    )
    words = ["evaluate", "--model", str(make_checkpoint(0)), "--problems", str(tmp_path / "My set.jsonl")]
    words += ["--backend", "local", "--template", "plain", "--samples", "2", "--max-new-tokens", "8", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "My set" in capsys.readouterr().out
    (score,) = read_json(tmp_path / "out/summary.json")["scores"]
    assert (score["benchmark"], score["problems"], score["samples"]) == ("my_set", 3, 2)


def test_a_model_that_is_not_there_is_said_first(tmp_path, capsys):
    """Before benchmarks are fetched, for which other packages may be missing."""
    assert main(["evaluate", "--model", "nope", "--benchmarks", "math500", "--out", str(tmp_path / "out")]) == 2
    line = "red evaluate: --model nope: no config.json here; name a folder in the layout of Hugging Face\n"
    assert capsys.readouterr().err == line


def test_a_model_of_the_tiny_world_asks_for_its_configuration(make_checkpoint, tmp_path, capsys):
    """Its words are few and its benchmarks its own: nothing of the defaults fits."""
    model = make_checkpoint(0)
    (model / "pretraining.json").write_text("{}")
    assert main(["evaluate", "--model", str(model), "--benchmarks", "math500", "--out", str(tmp_path / "out")]) == 2
    line = f"red evaluate: {model}: a model of the tiny world; give its configuration, --config config/default.yaml\n"
    assert capsys.readouterr().err == line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("accuracies", "shown"),
    [([1.0, 0.5], "75.0"), ([0.0] * 30, "0.0"), ([1.0, 0.0] * 5, r"50\.0 \[20\.0, 80\.0\]")],
    ids=["two", "alike", "ten"],
)
def test_an_interval_needs_problems_that_differ(accuracies, shown):
    """Two problems drawn again would give a mean between theirs, thirty that are all wrong no width."""
    column = np.array(accuracies)[:, None]
    answers = Answers(column, column, column, column, column, [["1"]] * len(column), {})
    found = score(benchmark("amc", {}), answers)
    assert re.fullmatch(shown, lines([found])[0][2])
    assert math.isnan(found.accuracy.low) == ("[" not in shown)


def test_problems_with_options_are_choices_and_names_do_not_meet(tmp_path):
    path = tmp_path / "amc.jsonl"
    write_jsonl(path, [{"id": "p", "question": "?", "options": ["x", "y"], "answer": "B"}])
    entry = specification(Options(Path("m"), "", Path("out"), problems=[path])).benchmarks["amc"]
    assert (entry["grader"], entry["group"], entry["samples"]) == ("choice", "out_of_domain", 4)
    with pytest.raises(ConfigError, match="another benchmark named 'amc'"):
        specification(Options(Path("m"), "amc", Path("out"), problems=[path]))
    with pytest.raises(ConfigError, match="or a file of --problems"):
        specification(Options(Path("m"), "", Path("out")))


def test_an_unknown_benchmark_is_named():
    with pytest.raises(ConfigError, match="aime26"):
        specification(Options(Path("m"), "aime26", Path("out")))
