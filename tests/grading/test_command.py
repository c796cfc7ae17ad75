import json

import pytest

from red.__main__ import main


def write(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_gets_a_verdict_in_order(tmp_path):
    cases = write(
        tmp_path / "in.jsonl",
        {"id": "a", "gold": "5", "response": r"\boxed{5}"},
        {"id": 2, "answer": "5", "response": r"\boxed{6}", "thought_open": False},
        {"id": "c", "gold": "5", "response": r"\boxed{5}", "thought_open": True},
        {"id": "d", "gold": "B", "response": r"\boxed{B}", "n_options": 4},
        {"id": "e", "gold": "5", "response": "half a pair \ud800 and NUL \0 \\boxed{5}"},
    )
    assert main(["grade", "--cases", cases, "--out", str(tmp_path / "out.jsonl")]) == 0
    found = [(row["id"], row["correct"], row["reason"]) for row in read(tmp_path / "out.jsonl")]
    assert found == [
        ("a", True, "right"),
        (2, False, "wrong"),
        ("c", False, "unclosed_thought"),
        ("d", True, "right"),
        ("e", True, "right"),
    ]
    assert set(read(tmp_path / "out.jsonl")[0]) == {"id", "correct", "correct_lenient", "reason", "seconds"}


def test_choice_may_be_demanded(tmp_path):
    cases = write(tmp_path / "in.jsonl", {"id": 1, "answer": "A", "options": ["x", "y"], "response": "ANSWER: A"})
    assert main(["grade", "--cases", cases, "--out", str(tmp_path / "o"), "--kind", "choice"]) == 0
    assert read(tmp_path / "o")[0]["correct_lenient"] is True


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"id": 1, "gold":', "not valid JSON"),
        ("[1]", "expected an object"),
        ({"id": 1, "gold": "5"}, "missing key 'response'"),
        ({"id": 1, "response": "5"}, "missing key 'gold' (or 'answer')"),
        ({"gold": "1", "response": "5"}, "missing key 'id'"),
        ({"id": 1, "gold": 5, "response": "5"}, "gold: expected a text, found int"),
        ({"id": 1, "gold": "5", "response": None}, "response: expected a text, found NoneType"),
        ({"id": [1], "gold": "5", "response": "5"}, "id: expected a text or an integer, found list"),
        ({"id": "\ud800", "gold": "5", "response": "5"}, "half of a surrogate pair"),
        ({"id": 1, "gold": "5", "response": "5", "thought_open": "yes"}, "thought_open: expected true or false"),
    ],
)
def test_a_malformed_row_is_named_and_nothing_is_written(tmp_path, capsys, row, message):
    cases = write(tmp_path / "in.jsonl", {"id": 0, "gold": "5", "response": "\\boxed{5}"}, row)
    assert main(["grade", "--cases", cases, "--out", str(tmp_path / "out.jsonl")]) == 2
    error = capsys.readouterr().err
    assert "in.jsonl: line 2: " in error and message in error
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_gold_that_nobody_can_read_is_named(tmp_path, capsys):
    rows = [{"id": name, "gold": gold, "response": "\\boxed{5}"} for name, gold in (("a", "5"), ("b", ""), ("c", "{"))]
    cases = write(tmp_path / "in.jsonl", *rows)
    assert main(["grade", "--cases", str(cases), "--out", str(tmp_path / "out.jsonl"), "--workers", "1"]) == 0
    counts, named = capsys.readouterr().err.splitlines()
    assert counts == "2 data_error, 1 right"
    assert named == f"{cases}: line 2: the gold cannot be read, nor on 1 more; no answer is right"


def test_choice_without_options_is_refused(tmp_path, capsys):
    cases = write(tmp_path / "in.jsonl", {"id": 1, "gold": "A", "response": "A"})
    assert main(["grade", "--cases", cases, "--out", str(tmp_path / "o"), "--kind", "choice"]) == 2
    assert "line 1: missing key 'options'" in capsys.readouterr().err


def test_an_evaluation_folder_is_graded_benchmark_by_benchmark(tmp_path):
    answers, benchmarks = tmp_path / "evaluation", tmp_path / "benchmarks"
    answers.mkdir()
    benchmarks.mkdir()
    write(benchmarks / "math500.jsonl", {"id": "p", "question": "?", "options": None, "answer": "4", "extra": {}})
    write(benchmarks / "arc_c.jsonl", {"id": "q", "question": "?", "options": ["x", "y"], "answer": "B", "extra": {}})
    common = {"index": 0, "tokens": 3, "seed": 1, "prompt_hash": "0"}
    write(
        answers / "math500.generations.jsonl",
        {"id": "p", "response": r"\boxed{4}", "finish_reason": "stop", **common},
        {"id": "p", "response": r"\boxed{", "finish_reason": "length", **common, "index": 1},
    )
    write(answers / "arc_c.generations.jsonl", {"id": "q", "response": "ANSWER: B", "finish_reason": "stop", **common})
    spec = json.dumps(
        {"benchmarks": {"math500": {"samples": 2, "rows": 1}, "arc_c": {"samples": 1, "rows": 1}}, "workers": 1}
    )
    assert main(["grade", "--evaluation", str(answers), "--benchmarks", str(benchmarks), "--spec", spec]) == 0
    math = read(answers / "math500.grades.jsonl")
    assert [(row["index"], row["correct"], row["truncated"]) for row in math] == [(0, True, False), (1, False, True)]
    assert math[0] == {
        "id": "p",
        "index": 0,
        "correct": True,
        "correct_lenient": True,
        "reason": "right",
        "tokens": 3,
        "truncated": False,
    }
    choice = read(answers / "arc_c.grades.jsonl")[0]
    assert (choice["correct"], choice["correct_lenient"]) == (False, True)


def test_an_answer_to_an_unknown_problem_is_named(tmp_path, capsys):
    write(tmp_path / "math500.jsonl", {"id": "p", "question": "?", "options": None, "answer": "4", "extra": {}})
    row = {"id": "x", "index": 0, "response": "", "tokens": 0, "finish_reason": "stop"}
    write(tmp_path / "math500.generations.jsonl", row)
    spec = '{"benchmarks": {"math500": {"rows": 1}}}'
    folder = str(tmp_path)
    assert main(["grade", "--evaluation", folder, "--benchmarks", folder, "--spec", spec]) == 2
    assert "'x' is not a problem of the benchmark" in capsys.readouterr().err
    assert not (tmp_path / "math500.grades.jsonl").exists()


def test_the_two_ways_do_not_mix(tmp_path, capsys):
    assert main(["grade", "--cases", "x", "--out", "y", "--spec", "{}"]) == 2
    assert main(["grade"]) == 2
    assert "--cases and --out" in capsys.readouterr().err
