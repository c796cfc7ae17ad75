"""The paper's data set: its layout, counts of unusable rows, and the way to training problems."""

import json

import pytest

from red.__main__ import main
from red.plumbing.storage import read_json, read_jsonl


def row(index, answer="4", target="<think>\n2+2 is 4.\n</think>\n\nIt is \\boxed{4}"):
    return {
        "data_source": "test",
        "ability": "math",
        "extra_info": {"index": index},
        "prompt": [{"role": "system", "content": "Think."}, {"role": "user", "content": f"{index}+2?"}],
        "target": [{"role": "assistant", "content": target}] if target else None,
        "reward_model": {"ground_truth": answer, "style": "rule"},
    }


def made(tmp_path, rows):
    (tmp_path / "openr1.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    spec = json.dumps({"source": "openr1", "data_dir": str(tmp_path), "file": "openr1.jsonl"})
    prompts, taught = tmp_path / "out" / "prompts.jsonl", tmp_path / "out" / "clean.jsonl"
    assert main(["data", "prompts", "--spec", spec, "--out", str(prompts)]) == 0
    code = main(["data", "demonstrations", "--spec", spec, "--prompts", str(prompts), "--out", str(taught)])
    assert code == 0
    return prompts, taught


def test_prompts_keep_the_systems_prompt_and_count_unusable_rows(tmp_path):
    prompts, taught = made(tmp_path, [row(0), row(1, answer="{"), row(2, target=None), row(3)])
    assert [r["id"] for r in read_jsonl(prompts)] == ["openr1-00000", "openr1-00002", "openr1-00003"]
    assert (tmp_path / "out" / "system.txt").read_text() == "Think."
    assert read_json(prompts.with_suffix(".json")) == {"no_demonstration": 1, "rows": 3, "unusable_answer": 1}
    assert [r["id"] for r in read_jsonl(taught)] == ["openr1-00000", "openr1-00003"]
    assert read_json(taught.with_suffix(".json"))["prompts_without"] == 1


def test_a_gold_that_no_answer_can_be_compared_with_is_dropped_and_counted(tmp_path):
    prompts, _ = made(tmp_path, [row(0), row(1, answer="$t(0,4]$"), row(2, answer="\\frac{1}{2}")])
    assert [r["id"] for r in read_jsonl(prompts)] == ["openr1-00000", "openr1-00002"]
    assert read_json(prompts.with_suffix(".json")) == {"rows": 2, "unparsed_answer": 1, "no_demonstration": 0}


def test_rows_that_are_not_one_question_with_one_answer_are_left_out_counted_and_reported(tmp_path, capsys):
    """The first of each kind is named with its file, row and key."""
    turns = [
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "2?"},
    ]
    rows = [
        row(0, answer=4),
        row(1, answer=None),
        row(2, answer=["3", "5"]),
        row(3, answer=["7"]),
        row(4) | {"prompt": turns},
        row(5, answer=None),
        row(6) | {"target": [{"role": "assistant", "content": ["x"]}]},
        row(7, answer=True),
        row(8) | {"target": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]},
        row(9, answer=2.0) | {"data_source": None},
    ]
    prompts, taught = made(tmp_path, rows)
    kept = list(read_jsonl(prompts))
    assert [(r["id"][-1], r["answer"]) for r in kept] == [("0", "4"), ("3", "7"), ("9", "2")]
    assert [r["source"] for r in kept] == ["test", "test", ""]
    assert read_json(prompts.with_suffix(".json")) == {
        "rows": 3,
        "no_demonstration": 0,
        "answer_null": 2,
        "answer_list": 1,
        "answer_boolean": 1,
        "prompt_turns": 1,
        "target_content": 1,
        "target_turns": 1,
    }
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 6
    assert (
        f"{tmp_path}/openr1.jsonl: row 1: reward_model.ground_truth: null is no answer; left out, with 1 more"
        in told[0]
    )
    assert [r["id"][-1] for r in read_jsonl(taught)] == ["0", "3", "9"]


def test_a_data_set_without_a_usable_row_is_an_error_that_names_the_first(tmp_path, capsys):
    (tmp_path / "openr1.jsonl").write_text(json.dumps(row(0, answer=None)) + "\n")
    spec = json.dumps({"source": "openr1", "data_dir": str(tmp_path), "file": "openr1.jsonl"})
    assert main(["data", "prompts", "--spec", spec, "--out", str(tmp_path / "p.jsonl")]) == 2
    assert "row 0: reward_model.ground_truth: null is no answer; no usable row is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "kept", "reason"),
    [
        ("truth-null", 1, "answer_null"),
        ("truth-bool", 0, "true is no answer"),
        ("truth-dict", 0, "a structure is no answer"),
        ("truth-list", 1, "answer_list"),
        ("truth-prose", 2, ""),
        ("prompt-multi_turn", 0, "are not one question"),
        ("prompt-null", 0, "content is neither a text nor a list of texts"),
        ("prompt-parts", 1, ""),
    ],
)
def test_reported_inputs_are_read_or_refused(file, kept, reason, shared, tmp_path, capsys):
    spec = json.dumps({"source": "openr1", "data_dir": str(shared / "bugs"), "file": f"{file}.jsonl"})
    out = tmp_path / "prompts.jsonl"
    assert main(["data", "prompts", "--spec", spec, "--out", str(out)]) == (0 if kept else 2)
    if kept:
        assert read_json(out.with_suffix(".json"))["rows"] == kept
        assert not reason or read_json(out.with_suffix(".json"))[reason] == 1
    else:
        assert reason in capsys.readouterr().err


def test_a_row_of_another_layout_is_named(tmp_path, capsys):
    (tmp_path / "openr1.jsonl").write_text(json.dumps({"prompt": "text"}) + "\n")
    spec = json.dumps({"source": "openr1", "data_dir": str(tmp_path), "file": "openr1.jsonl"})
    assert main(["data", "prompts", "--spec", spec, "--out", str(tmp_path / "p.jsonl")]) == 2
    assert "row 0" in capsys.readouterr().err
    assert not (tmp_path / "p.jsonl").exists()


def test_the_wrong_file_is_refused_by_its_hash(tmp_path, capsys):
    (tmp_path / "openr1.jsonl").write_text("")
    spec = {"source": "openr1", "data_dir": str(tmp_path), "file": "openr1.jsonl", "sha256": "0" * 64}
    assert main(["data", "prompts", "--spec", json.dumps(spec), "--out", str(tmp_path / "p.jsonl")]) == 2
    assert "SHA-256" in capsys.readouterr().err


def test_the_format_sample_of_the_real_data_set_is_read(shared, tmp_path):
    spec = json.dumps({"source": "openr1", "data_dir": str(shared / "benchmarks"), "file": "train_format_sample.jsonl"})
    out = tmp_path / "prompts.jsonl"
    assert main(["data", "prompts", "--spec", spec, "--out", str(out)]) == 0
    counts = read_json(out.with_suffix(".json"))
    assert counts["rows"] == 96 and "unusable_answer" not in counts


@pytest.mark.parametrize("template", ["think", "qwen_boxed"])
def test_the_chat_template_of_a_prepared_model_renders_like_ours(template):
    from jinja2 import Environment

    from red.models.prepare import jinja
    from red.text.template import render

    question = 'What is "1" + {2}?\n$\\frac{1}{2}$'
    rendered = Environment().from_string(jinja(template)).render(messages=[{"content": question}])
    assert rendered == render(question, None, template)


def test_a_prepared_model_has_the_longer_window_and_only_safe_weights(tmp_path, tiny_world, capsys):
    source = tiny_world / "models" / "base"
    spec = {
        "source": "hub",
        "id": "any/model",
        "folder": str(source),
        "rope_theta": 40000.0,
        "max_position_embeddings": 16384,
        "chat_template": "think",
    }
    out = tmp_path / "base"
    assert main(["data", "model", "--spec", json.dumps(spec), "--out", str(out)]) == 0
    config = read_json(out / "config.json")
    assert (config["rope_theta"], config["max_position_embeddings"]) == (40000.0, 16384)
    assert (out / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    spec["folder"] = str(pickled)
    assert main(["data", "model", "--spec", json.dumps(spec), "--out", str(tmp_path / "no")]) == 2
    assert "refused" in capsys.readouterr().err
