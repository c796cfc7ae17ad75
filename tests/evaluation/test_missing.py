"""A benchmark that the hub does not give: the others are answered and graded, and tables show it as missing."""

import json
import sys
from types import SimpleNamespace

import pytest

from analysis.parts.accuracy_table import accuracy_table
from red.__main__ import main
from red.errors import DataError
from red.evaluation import sealed
from red.evaluation.benchmarks import missing, read, rows
from red.plumbing.storage import read_jsonl, write_jsonl
from red.tables.reader import load
from red.world import benchmarks as embedded

MATH = {"source": "embedded", "grader": "math", "metric": "pass_at_1", "samples": 1, "group": "out_of_domain"}
GPQA = {"source": "gpqa_diamond", "grader": "choice", "samples": 1}
BENCHMARKS = {"arc_c": MATH, "gpqa_diamond": GPQA}
EVALUATION = {"backend": "local", "temperature": 0.6, "max_new_tokens": 24, "seed": 0}


@pytest.fixture
def gated(monkeypatch):
    """A hub that refuses, as it does without a token."""

    def load_dataset(*_: object, **__: object) -> None:
        raise OSError("Dataset 'Idavidrein/gpqa' is a gated dataset on the Hub.\nYou must be authenticated.")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))


@pytest.fixture
def results(gated, tiny_world, tmp_path, capsys):
    """The base model, evaluated on a benchmark that is there and on one that is not."""
    data, out = tmp_path / "data" / "benchmarks", tmp_path / "evaluations" / "base" / "seed0"
    write_jsonl(data / "arc_c.jsonl", list(embedded.rows("arc_c"))[:6])
    made = ["data", "benchmark", "--name", "gpqa_diamond", "--out", str(data / "gpqa_diamond.jsonl")]
    assert main([*made, "--spec", '{"source": "gpqa_diamond"}']) == 0
    assert "gpqa_diamond is missing: hub Idavidrein/gpqa: Dataset 'Idavidrein/gpqa'" in capsys.readouterr().err
    spec = {"run": "base", "seed": 0, "template": "plain", "evaluation": EVALUATION, "benchmarks": BENCHMARKS}
    model = str(tiny_world / "models" / "base")
    folders = ["--benchmarks", str(data), "--out", str(out)]
    assert main(["generate", "--spec", json.dumps(spec), "--checkpoint", model, *folders]) == 0
    asked = ["grade", "--spec", json.dumps({"benchmarks": BENCHMARKS}), "--evaluation", str(out)]
    assert main([*asked, "--benchmarks", str(data), "--workers", "1"]) == 0
    return tmp_path


def test_the_others_are_answered_and_graded(results):
    out = results / "evaluations" / "base" / "seed0"
    for kind in ("generations", "grades"):
        assert len(list(read_jsonl(out / f"arc_c.{kind}.jsonl", ("id",)))) == 6
        assert "gated" in missing(out / f"gpqa_diamond.{kind}.jsonl")
        assert missing(out / f"arc_c.{kind}.jsonl") is None


def test_tables_show_it_as_missing(results, repository):
    about = {"run": "base", "method": "base", "seed": 0, "scale": "paper", "label": "Base", "row_group": "single"}
    runs = [{**about, "items": ["out_of_domain"], "steps": 0, "spec": {}}]
    known = [
        {"benchmark": n, "label": n, "group": "out_of_domain", "metric": "pass_at_1", "source": n, "samples": 1}
        for n in BENCHMARKS
    ]
    spec = {"runs": runs, "benchmarks": known, "probes": {}}
    (results / "spec.json").write_text(json.dumps(spec))
    assert main(["collect", "--spec", f"@{results / 'spec.json'}", "--results", str(results)]) == 0
    tables = load(results / "collected", repository / "config" / "reported.csv")
    table = accuracy_table(
        tables, "out_of_domain", "Table 3", "", tables.group("out_of_domain"), "Average", lengths=False
    )
    (row,) = table.rows
    seeds, arc, gpqa, average = (cell.text for cell in row.cells)
    assert float(arc) >= 0 and (seeds, gpqa, average) == ("1", "missing", "missing")
    assert "gpqa_diamond (no answers)" in table.facts["missing"]


def test_asked_for_by_hand_it_is_an_error_of_one_line(gated, tiny_world, tmp_path, capsys):
    asked = ["evaluate", "--model", str(tiny_world / "models" / "base"), "--benchmarks", "gpqa_diamond"]
    assert main([*asked, "--template", "plain", "--out", str(tmp_path)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("red evaluate")]
    assert "gated" in line


def test_a_protected_benchmark_is_read_from_its_file_alone(tmp_path):
    """Nothing is fetched where answers are made, and no text stands in the file as it is."""
    question, options = "Which particle carries the force?", ["a gluon of colour", "a photon", "a boson", "none"]
    line = {"id": "g-1", "question": question, "options": options, "answer": "A"}
    write_jsonl(tmp_path / "source" / "mine.jsonl", [line])
    entry = {"group": "out_of_domain", "grader": "choice", "metric": "pass_at_1", "samples": 1, "protected": True}
    entry |= {"data_dir": str(tmp_path / "source"), "file": "mine.jsonl", "layout": "lines"}
    file = tmp_path / "mine.jsonl"
    write_jsonl(file, rows("mine", entry))
    (tmp_path / "source" / "mine.jsonl").unlink()
    (problem,) = read(file)
    assert (problem.question, list(problem.options), problem.answer) == (question, options, "A")
    text = file.read_text()
    assert not any(word in text for word in ("particle", "gluon", "photon", "boson"))


def test_a_damaged_seal_is_named():
    text = sealed.seal({"question": "q"}, "a")
    assert sealed.unseal(text, "a", "f: line 1") == {"question": "q"}
    for damaged, id in ((text[:-4], "a"), (text, "b"), ("?" + text[1:], "a")):
        with pytest.raises(DataError, match="f: line 1: the sealed text is damaged"):
            sealed.unseal(damaged, id, "f: line 1")
