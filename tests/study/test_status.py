"""How far runs are, read from files."""

import json
from pathlib import Path

import pytest

from red.study import config, status
from red.study.status import STARTED


@pytest.fixture
def document(repository: Path, tmp_path: Path) -> dict:
    tiny = config.load(repository / "config" / "default.yaml")
    found = config.select({**tiny, "only": ["red"], "seeds": [0]})
    places = {"results": str(tmp_path / "results"), "logs": str(tmp_path / "logs")}
    return {**found, "pathvars": places, "probes": {}}


def metrics(folder: Path, steps: int) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps({"train/step": step, "red/w": 2.0}) for step in range(steps)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"train/st')


def run(document: dict) -> status.Progress:
    return next(one for one in status.progress(document) if one.run == "red")


def test_nothing_yet_is_waiting(document):
    assert run(document).training == "waiting"


def test_a_training_shows_its_last_whole_step(document, tmp_path):
    metrics(tmp_path / "results" / "runs" / "red" / "seed0" / "state", 7)
    found = run(document)
    assert (found.training, found.step, found.metrics["red/w"]) == ("begun", 7, 2.0)


def test_a_failure_is_told_in_its_own_words(document, tmp_path):
    log = tmp_path / "logs" / "train" / "red" / "seed0.log"
    log.parent.mkdir(parents=True)
    log.write_text("step 3/10\rstep 4/10\nTraceback (most recent call last):\n  x\nRuntimeError: no memory\n")
    found = run(document)
    assert (found.training, found.reasons) == ("failed", ("train: RuntimeError: no memory",))


def test_what_an_earlier_attempt_said_is_over(document, tmp_path):
    log = tmp_path / "logs" / "train" / "red" / "seed0.log"
    log.parent.mkdir(parents=True)
    first = f"{STARTED} 2026-11-30 12:00:00\n"
    log.write_text(f"{first}red train: no memory\n")
    assert run(document).reasons == ("train: red train: no memory",)
    log.write_text(f"{log.read_text()}{first}red seed 0: continues after step 3/10\n")
    assert run(document).reasons == ()


def test_jobs_that_continue_say_when_an_attempt_begins(repository):
    rules = [path.read_text() for path in (repository / "workflow" / "rules").glob("*.smk")]
    kept = [rule for text in rules for rule in text.split("\nrule ") if ">> {log:q} 2>&1" in rule]
    assert len(kept) == 2 and all(f'echo \\"{STARTED} ' in rule for rule in kept)


def test_a_job_that_the_cluster_killed_is_told_by_the_cluster(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics(tmp_path / "results" / "runs" / "red" / "seed0" / "state", 3)
    log = tmp_path / ".snakemake" / "slurm_logs" / "rule_train" / "red_0" / "12.log"
    log.parent.mkdir(parents=True)
    log.write_text("slurmstepd-node1: error: *** JOB 12 ON node1 CANCELLED AT 2026-01-01 ***\n")
    assert run(document).reasons[0].startswith("train: slurmstepd-node1: error: *** JOB 12")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("provenance.json", "[]", "provenance.json: expected an object"),
        ("provenance.json", '{"steps": "many"}', "provenance.json: steps is no number: 'many'"),
        ("provenance.json", "{", "provenance.json: not valid JSON"),
        ("state/metrics.jsonl", '{"train/step": "x"}', "metrics.jsonl: train/step is no number: 'x'"),
        ("state/metrics.jsonl", '{"train/step": 1, "time/step_s": [2]}', "metrics.jsonl: time/step_s is no number"),
    ],
)
def test_one_damaged_run_hides_no_other(document, tmp_path, name, content, reason):
    path = tmp_path / "results" / "runs" / "red" / "seed0" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    rows = status.progress(document)
    assert [row.run for row in rows if row.reasons] == ["red"] and len(rows) > 1
    assert reason in run(document).reasons[0] and run(document).training == "failed"


def test_a_finished_run_counts_its_grades(document, tmp_path):
    folder = tmp_path / "results" / "runs" / "red" / "seed0"
    metrics(folder, 5)
    (folder / "provenance.json").write_text('{"steps": 5}')
    grades = tmp_path / "results" / "evaluations" / "red" / "seed0" / "amc.grades.jsonl"
    grades.parent.mkdir(parents=True)
    grades.write_text("{}\n")
    found = run(document)
    assert (found.training, found.step, found.evaluated, found.is_whole) == ("done", 5, 1, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("red train: data.jsonl: line 3: not valid JSON\n", "red train: data.jsonl: line 3: not valid JSON"),
        (
            "slurmstepd: error: *** JOB 8 CANCELLED DUE TO TIME LIMIT ***\n",
            "slurmstepd: error: *** JOB 8 CANCELLED DUE TO TIME LIMIT ***",
        ),
        ("step 1/10\n", None),
        ("", None),
    ],
)
def test_the_reason_is_the_last_line_that_gives_one(tmp_path, text, reason):
    (tmp_path / "log").write_text(text)
    assert status.failure(tmp_path / "log") == reason


def test_the_time_left_counts_steps_by_what_trains_now():
    def one(training, step, changed=100.0, seconds=0.5):
        return status.Progress("red", 0, training, step, 300, changed=changed, step_seconds=seconds)

    done, waiting = one("done", 300), one("waiting", 0, 0.0, 0.0)
    assert status.left([done, waiting], now=100.0) == 0.0
    both = [done, one("begun", 100), one("begun", 200), waiting]
    assert status.left(both, now=110.0) == (200 + 100 + 300) * 0.5 / 2
    assert status.left(both, now=1000.0) == 0.0


def test_a_long_reason_stays_on_one_line_in_a_log(monkeypatch, capsys):
    from red.__main__ import main

    reason = "train: " + "x" * 400
    failed = status.Progress("red", 0, "failed", 1, 300, reasons=(reason,))
    monkeypatch.setattr(status, "progress", lambda config: [failed])
    assert main(["status"]) == 0
    assert f"red seed 0: {reason}" in capsys.readouterr().out.splitlines()
