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
