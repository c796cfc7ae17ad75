"""The bench: rows are whole, ratios are taken turn by turn, and the table says what could not run."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from bench import gpu, growth, report, row
from bench.compare import REPOSITORY, Here, Missing, Worker, compare
from bench.row import Bar, Case, Row, Side
from bench.rows import micro_batches_gpu, training_step_gpu, vocabulary_gpu
from red.models import checkpoint
from red.plumbing.storage import read_object, write_json

# Installed with the project, and not with torch, transformers and triton.
BEYOND_TORCH = ("pandas", "pyarrow", "scipy", "matplotlib", "seaborn", "snakemake", "math_verify", "jsonschema")

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
    return {"cases": [{"name": "small", "runs": sides}], "missing": {}, "machine": {}}


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


GPU_ROWS = [name for name in row.names() if row.load(name)[0].on_gpu]


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """`python -m bench gpu --tiny` with what a GPU machine may lack out of reach; its folder of results."""
    folder = tmp_path_factory.mktemp("gpu")
    # None in the place of a module: its import fails.
    (folder / "sitecustomize.py").write_text(f"import sys; sys.modules.update(dict.fromkeys({BEYOND_TORCH}))\n")
    readme = report.README.read_bytes()
    subprocess.run(
        [sys.executable, "-m", "bench", "gpu", "--tiny", "--out", str(folder / "out")],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
    )
    assert report.README.read_bytes() == readme
    return folder / "out"


@pytest.mark.slow
def test_the_gpu_command_runs_whole_with_torch_and_transformers_alone(tried):
    summary = read_object(tried / gpu.SUMMARY)
    assert (summary["rows"], summary["failed"], summary["tried_only"]) == (GPU_ROWS, {}, True)
    for name in GPU_ROWS:
        entry, _ = row.load(name)
        results = read_object(tried / f"{name}.json")
        ran = results["cases"][0]["runs"]
        # What is missing needs a package or a GPU; each of them says so.
        assert {side.name for side in entry.sides} == ran.keys() | results["missing"].keys()
        assert results["missing"].keys() <= {"openrlhf", "trl", "liger", "compiled"}
        assert results["machine"]["gpu"] == "CPU" and report.table(entry, results)


@pytest.mark.parametrize("name", [name for name in GPU_ROWS if name != "handles_gpu"])  # a process of its own: slow
def test_all_ways_of_a_gpu_row_compute_the_same(name, tmp_path):
    entry, prepare = row.load(name)
    size = entry.tried().cases[0].size
    absent = {"openrlhf", "trl", "liger", "compiled"}
    done = [prepare(row.Setting(side.name, size, tmp_path))() for side in entry.sides if side.name not in absent]
    assert len(done) > 1 and len({each.work for each in done}) == 1
    for key in ("logp", "gradient"):
        values = [each.facts[key] for each in done if key in each.facts]
        assert not values or max(values) - min(values) < 0.02 * abs(values[0])


def test_packed_rows_give_the_kernel_of_a_gpu_their_ends(monkeypatch):
    """torch's varlen_attn needs a GPU; here it is one call of attention per sequence."""
    from torch.nn.attention import varlen

    def varlen_attn(q, k, v, ends_q, ends_k, longest_q, longest_k, *, scale, window_size, enable_gqa):
        assert torch.equal(ends_q, ends_k) and longest_q == longest_k == int(ends_q.diff().max())
        assert window_size == (-1, 0) and ends_q.dtype == torch.int32
        parts = zip(*(states.split(ends_q.diff().tolist()) for states in (q, k, v)), strict=True)
        attend = partial(scaled_dot_product_attention, is_causal=True, scale=scale, enable_gqa=enable_gqa)
        return torch.cat([attend(*(x.transpose(0, 1)[None] for x in part))[0].transpose(0, 1) for part in parts])

    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
    torch.manual_seed(0)
    model = training_step_gpu.body(training_step_gpu.TINY, "cpu").float()
    rows = [torch.randint(300, (length,)) for length in (9, 5, 3)]
    head = vocabulary_gpu.HEADS["ours"]("cpu")
    padded = training_step_gpu.logp_of(model, head=head, **micro_batches_gpu.padded(rows, 2))
    model.config._attn_implementation = micro_batches_gpu.attention("cuda")
    packed = training_step_gpu.logp_of(model, head=head, **micro_batches_gpu.packed(rows, 2))
    assert len(packed) == sum(len(row) - 2 for row in rows)
    torch.testing.assert_close(packed, padded)


def test_section_hardware_gets_what_was_measured_and_no_more():
    runs = {"ours": [{"facts": {"TFLOP/s": value}} for value in (3.0, 5.0, 4.0)]}
    measured = {"micro_batches_gpu": {"cases": [{"runs": runs}]}}
    assert gpu.hardware(measured, "cpu") == {"name": "CPU", "tflops": 4.0}
    assert gpu.hardware({}, "cpu") == {"name": "CPU"}


def test_the_page_has_the_table_of_growth_as_it_is_forecast():
    assert "\n".join(growth.table()) in report.README.read_text()


def test_a_row_that_fails_leaves_the_others_and_its_reason(tmp_path):
    def broken(_setting):
        raise torch.OutOfMemoryError("too large")

    row_ = replace(ROW, tiny={})
    said = []
    load = {"a": (row_, broken), "b": (row_, lambda _: lambda: row.Done(1))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.compare.load", load.__getitem__)
        gpu.measure({"a": row_, "b": row_}, tmp_path, {}, 1, True, said.append)
    summary = read_object(tmp_path / gpu.SUMMARY)
    assert summary["rows"] == ["b"] and summary["failed"] == {"a": "OutOfMemoryError: too large"}
    assert not (tmp_path / "a.json").exists() and said


def test_after_the_time_no_case_and_no_turn_begins(tmp_path):
    turns = []

    def prepare(_setting):
        return lambda: turns.append(1) or row.Done(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.compare.load", lambda _: (ROW, prepare))
        found = compare("a", ROW, list(ROW.cases), tmp_path, 3, print, Here.start, time.monotonic() + 60)
        assert len(found["cases"][0]["runs"]["ours"]) == 3
        with pytest.raises(Missing, match="the time was over"):
            compare("a", ROW, list(ROW.cases), tmp_path, 3, print, Here.start, time.monotonic() - 1)


def test_a_bar_on_a_fact_of_ours_is_stated_with_its_value():
    bar = replace(ROW, bars=(Bar("ours", "utilisation", 0.45),))
    runs = [{**run(1, 10), "facts": {"utilisation": value}} for value in (0.4, 0.5, 0.6)]
    assert report.verdicts(bar, results(ours=runs))[0].endswith("utilisation at least 0.45: 0.5, met")


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
