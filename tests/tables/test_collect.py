"""Streaming collection: whole runs only, origins in every row, damaged files named."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from red.errors import ConfigError, DataError
from red.probes.row import ROTATION, Row
from red.probes.row import write as write_probe
from red.tables.collect import collect

ENTROPIES = ("entropy_rollout", "entropy_demonstration", "thinking_rollout")
GRADE = {"correct": True, "correct_lenient": True, "reason": "equal", "tokens": 7, "truncated": False}


def write(path: Path, *rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def entry(run: str, method: str = "red", seed: int = 0) -> dict:
    about = {"run": run, "method": method, "seed": seed, "scale": "tiny", "label": run.upper()}
    return about | {
        "row_group": "red",
        "items": ["main_results"],
        "steps": 0 if run == "base" else 2,
        "spec": {"run": run},
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A trained and evaluated run with a probe, and the base."""
    for run in ("red", "base"):
        grades = tmp_path / "evaluations" / run / "seed0" / "amc.grades.jsonl"
        write(grades, {"id": "a", "index": 0, **GRADE}, {"id": "a", "index": 1, **GRADE, "correct": False})
        write(grades.with_name("provenance.json"), {"spec_hash": f"{run}-answers", "code": "g"})
    write(tmp_path / "data" / "benchmarks" / "amc.jsonl", {"id": "a"})
    run = tmp_path / "runs" / "red" / "seed0"
    lines = [{"train/step": s, "red/w": 1.5 + s, "entropy/rollout": None, "note": "x"} for s in range(2)]
    write(run / "metrics.jsonl", *lines)
    write(run / "provenance.json", {"spec_hash": "h", "code": "c", "steps": 2, "stopped": ""})
    probe(tmp_path, 2)
    return tmp_path


def probe(results: Path, last: int) -> None:
    """Of one prompt, before the training and after its last step."""
    rows = [Row("entropy", step, "a", None, None, name, 0.5) for step in (0, last) for name in ENTROPIES]
    write_probe(rows, results / "probes" / "red" / "seed0" / "entropy.parquet")


def spec(*runs: dict, samples: int = 2) -> dict:
    about = {"benchmark": "amc", "label": "AMC", "group": "math", "metric": "avg_at_k", "source": "amc"}
    return {
        "runs": list(runs),
        "benchmarks": [{**about, "samples": samples}],
        "probes": {"entropy": {"runs": ["red"], "prompts": 1}},
    }


def tables(folder: Path) -> dict[str, list[dict]]:
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("scores", "dynamics", "probes")}


def test_rows_carry_run_benchmark_and_origin(results, tmp_path):
    collect(spec(entry("base", "base"), entry("red")), results, tmp_path / "out")
    found = tables(tmp_path / "out")
    assert [(r["run"], r["problem"], r["sample"], r["correct"]) for r in found["scores"]] == [
        ("base", "a", 0, True),
        ("base", "a", 1, False),
        ("red", "a", 0, True),
        ("red", "a", 1, False),
    ]
    assert found["scores"][0]["spec_hash"] == "base-answers"
    assert {(r["group"], r["metric"], r["spec_hash"], r["code"]) for r in found["scores"][2:]} == {
        ("math", "avg_at_k", "h", "c")
    }
    assert [(r["step"], r["metric"], r["value"]) for r in found["dynamics"] if r["metric"] == "red/w"] == [
        (0, "red/w", 1.5),
        (1, "red/w", 2.5),
    ]
    assert found["probes"][0]["value"] == 0.5 and found["probes"][0]["token"] is None


def test_a_run_that_lacks_a_file_is_missing_and_has_no_rows(results, tmp_path):
    collect(spec(entry("red"), entry("grpo", "grpo"), entry("red", seed=1)), results, tmp_path / "out")
    listed = json.loads((tmp_path / "out" / "runs.json").read_text())
    assert [(run["run"], run["seed"], run["status"]) for run in listed] == [
        ("red", 0, "done"),
        ("grpo", 0, "missing"),
        ("red", 1, "missing"),
    ]
    assert "runs/grpo/seed0/provenance.json" in listed[1]["lacks"]
    assert {row["run"] for row in tables(tmp_path / "out")["scores"]} == {"red"}


def test_what_it_writes_is_what_analysis_reads(results, tmp_path, repository):
    from red.tables.reader import load

    collect(spec(entry("base", "base"), entry("red"), entry("red", seed=1)), results, tmp_path / "out")
    read = load(tmp_path / "out", repository / "config" / "reported.csv")
    (red,) = read.named("red")
    assert (red.label, red.seeds, red.missing_seeds, red.steps) == ("RED", (0,), (1,), 2)
    assert read.scores([red])["accuracy"].tolist() == [0.5]
    assert read.group("math") == ("amc",) and read.benchmark("amc").heading == "AMC"


def test_a_damaged_grade_is_named_with_its_line(results, tmp_path):
    path = results / "evaluations" / "red" / "seed0" / "amc.grades.jsonl"
    path.write_text(path.read_text() + "{broken\n")
    with pytest.raises(DataError, match=r"amc\.grades\.jsonl: line 3"):
        collect(spec(entry("red")), results, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.parquet")), "no table is left half-written"


def test_memory_does_not_grow_with_rows(results, tmp_path):
    """300,000 rows need less than 120 MB more than 2 rows (the schema's batches, not the file)."""
    small = peak(results, tmp_path / "small", 2)
    line = json.dumps({"id": "NAME", "index": "NUMBER", **GRADE}) + "\n"
    with (results / "evaluations" / "red" / "seed0" / "amc.grades.jsonl").open("w") as stream:
        for problem in range(3000):
            lines = line.replace("NAME", f"p{problem}")
            stream.writelines(lines.replace('"NUMBER"', str(sample)) for sample in range(100))
    write(results / "data" / "benchmarks" / "amc.jsonl", *({"id": f"p{problem}"} for problem in range(3000)))
    assert peak(results, tmp_path / "large", 100) - small < 120_000


def test_a_run_of_fewer_steps_than_asked_for_is_missing(results, tmp_path):
    """Its configuration has changed since, and it has not been trained again."""
    (run,) = collect(spec({**entry("red"), "steps": 5}), results, tmp_path / "out")
    assert run.lacks == ("runs/red/seed0: 2 steps, 5 are asked for",)
    stopped = results / "runs" / "red" / "seed0" / "provenance.json"
    write(stopped, {"spec_hash": "h", "code": "c", "steps": 2, "stopped": "log pi of wrong rollouts"})
    probe(results, 5)  # the step that the configuration names
    (run,) = collect(spec({**entry("red"), "steps": 5}), results, tmp_path / "out")
    assert not run.lacks


def test_a_run_twice_is_refused(results, tmp_path):
    with pytest.raises(ConfigError, match="'red' seed 0 is there 2 times"):
        collect(spec(entry("red"), entry("red")), results, tmp_path / "out")


def peak(results: Path, out: Path, samples: int) -> int:
    """Peak memory in KiB of a collection in a process of its own."""
    code = (
        "import json, sys, resource; from pathlib import Path; from red.tables.collect import collect;"
        "collect(json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = [json.dumps(spec(entry("red"), samples=samples)), str(results), str(out)]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_derived_model_has_answers_and_a_probe_at_its_step_and_no_training(results, tmp_path):
    grades = tmp_path / "evaluations" / "red_at_1" / "seed0" / "amc.grades.jsonl"
    write(grades, {"id": "a", "index": 0, **GRADE}, {"id": "a", "index": 1, **GRADE})
    write(grades.with_name("provenance.json"), {"spec_hash": "answers", "code": "g"})
    rows = [Row("rotation", 1, "layers.0.q", None, None, name, 0.5) for name in ROTATION]
    write_probe(rows, results / "probes" / "red_at_1" / "seed0" / "rotation.parquet")
    made = {**entry("red_at_1", "derived"), "steps": 0, "spec": {"kind": "snapshot", "of": "red@1", "step": 1}}
    document = spec(made, entry("red"))
    document["probes"]["rotation"] = {"runs": ["red_at_1"], "prompts": None, "models": ["parent"]}
    (found, _) = collect(document, results, tmp_path / "out")
    assert found.line()["status"] == "done" and found.line()["spec"]["of"] == "red@1"
    assert {row["step"] for row in tables(tmp_path / "out")["probes"] if row["probe"] == "rotation"} == {1}
    assert "red_at_1" not in {row["run"] for row in tables(tmp_path / "out")["dynamics"]}
