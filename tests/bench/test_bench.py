"""The bench: rows are whole, ratios are taken turn by turn, and the table says what could not run."""

import json

import pytest
import torch

from bench import report, row
from bench.compare import Missing, Worker
from bench.row import Bar, Case, Row, Side
from red.models import checkpoint
from red.plumbing.storage import write_json

ROW = Row(
    title="A row",
    work="tokens",
    sides=(Side("ours", "main", "this"), Side("peer", about="that")),
    cases=(Case("small"),),
    bars=(Bar("peer", "time", 2.0), Bar("peer", "memory", 8.0)),
    notes="A limit.",
)


def run(seconds, work, peak=10.0):
    return {"seconds": seconds, "cpu_seconds": seconds / 2, "work": work, "peak_mib": peak, "facts": {}}


def results(**sides):
    return {"cases": [{"name": "small", "runs": sides}], "missing": {}}


@pytest.mark.parametrize("name", row.names())
def test_every_row_begins_with_ours_and_its_bars_name_sides_and_cases(name):
    entry, _ = row.load(name)
    assert entry.sides[0].name == "ours"
    assert len({case.name for case in entry.cases}) == len(entry.cases)
    for bar in entry.bars:
        assert bar.side in {side.name for side in entry.sides}
        assert bar.case is None or bar.case in {case.name for case in entry.cases}


def test_a_ratio_is_taken_turn_by_turn_per_unit_of_work():
    # 2 s for 10 against 1 s for 10: 2; 8 s for 20 against 1 s for 10: 4
    case = results(ours=[run(1, 10), run(1, 10)], peer=[run(2, 10), run(8, 20)])["cases"][0]
    assert report.ratio(case, "ours", "peer", "seconds") == [2.0, 4.0]
    assert report.spread([2.0, 4.0]) == "3.00 (2.00 to 4.00)"


def test_bars_are_stated_as_met_or_not():
    lines = report.verdicts(ROW, results(ours=[run(1, 10, 10)], peer=[run(3, 10, 40)]))
    assert lines[0].endswith("peer's time at least 2 times ours: 3.00, met")
    assert lines[1].endswith("peer's memory at least 8 times ours: 4.00, NOT met")


def test_the_table_replaces_only_what_is_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    measured = results(ours=[run(1, 10)], peer=[run(3, 10)]) | {"missing": {"third": {"small": "no wheel"}}}
    write_json(tmp_path / "a.json", measured)
    report.write(tmp_path, {"a": ROW, "b": ROW}, readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| small | peer | 3.33 | 3.00 (3.00 to 3.00) |" in text
    assert "third cannot run here (small): no wheel" in text and "Not measured." in text


def test_a_side_without_its_environment_is_missing_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("RED_BENCH_PEERS", str(tmp_path / "nowhere"))
    with pytest.raises(Missing, match="make bench-setup"):
        Worker.start("sampler", Side("vllm"), tmp_path, tmp_path)


def test_the_gpu_rows_run_at_a_small_size_without_one(tmp_path):
    shape = {
        "vocab_size": 300,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    for name, size in (("vocabulary_gpu", {"words": 300}), ("training_step_gpu", {"shape": shape})):
        _, prepare = row.load(name)
        done = prepare(row.Setting("ours", {"tokens": 8, "device": "cpu", **size}, tmp_path))()
        assert done.work == 8


def test_a_model_with_wider_heads_is_the_same_function(tiny_world, tmp_path):
    from transformers import AutoModelForCausalLM

    from bench.rows.sampler import widen_heads

    base = tiny_world / "models" / "base"
    widen_heads(base, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["head_dim"] == 32
    ids = torch.arange(2, 40)[None]
    with torch.inference_mode():
        wide = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)(ids).logits
        plain = checkpoint.load(base).model(ids)
    torch.testing.assert_close(wide, plain, rtol=1e-3, atol=1e-3)
