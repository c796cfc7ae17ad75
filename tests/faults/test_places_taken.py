"""Output places that hold what the program did not make: refused in one line, and everything is still there."""

import argparse
import json
import os
import pkgutil
import re
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from red import commands
from red.plumbing import checksums
from red.plumbing.storage import read_jsonl, write_atomic, write_json, write_jsonl
from tests.faults.case import Program, execute, named, refusal, succeed, table
from tests.faults.test_tables import analysis, write_tables
from tests.faults.world import World, grade, run_spec
from tests.fixtures import synthetic

pytestmark = pytest.mark.faults("output places")
MINE = "what a user keeps here"
REFUSED = "not made by this program|(file|folder) to replace; give another name|: is a|not a folder"
PROBE = {"probe": "entropy", "prompts": 2, "samples": 1, "template": "plain", "max_prompt_tokens": 64}
PROBE |= {"max_new_tokens": 8}
ANSWERS = {"template": "plain", "max_prompt_tokens": 64, "max_new_tokens": 4}
SNAPSHOT = {"run": "early", "seed": 0, "scale": "tiny", "of": "sft@1", "step": 1, "kind": "snapshot"}


def data(kind: str, spec: str = "{}", *more: object) -> Callable[[World, Path], list[Any]]:
    """Arguments of `red data`."""
    return lambda world, out: ["data", kind, "--spec", spec, "--out", out, *more]


def with_prompts(kind: str, spec: str = "{}", clean: bool = True) -> Callable[[World, Path], list[Any]]:
    """The same for what is made from prompts, perhaps with clean demonstrations."""

    def arguments(world: World, out: Path) -> list[Any]:
        demonstrations = ["--demonstrations", world.demonstrations] if clean else []
        model = ["--model", world.base] if kind in ("wrong_responses", "redistilled") else []
        return data(kind, spec, "--prompts", world.prompts, *demonstrations, *model)(world, out)

    return arguments


def of_answers(world: World, out: Path) -> list[Any]:
    """Of an evaluation whose answers are there."""
    rows = [{"id": "a", "index": 0, "response": "1", "tokens": 1, "finish_reason": "stop"}]
    write_jsonl(out / "math500.generations.jsonl", rows)
    (out / "b").mkdir()
    (out / "b" / "math500.jsonl").write_text('{"id": "a", "question": "?", "options": null, "answer": "1"}')
    return grade(out, out / "b", samples=1)


def probe(world: World, out: Path) -> list[Any]:
    """Of the base and itself."""
    models = ["--checkpoint", world.base, "--model", f"parent={world.base}"]
    texts = ["--prompts", world.prompts, "--demonstrations", world.demonstrations]
    return ["probe", "--spec", json.dumps(PROBE), *models, *texts, "--out", out]


def rotation(world: World, out: Path) -> list[Any]:
    """Of the base against itself."""
    models = ["--checkpoint", world.base, "--start", world.base]
    return ["rotation", "--spec", '{"probe": "rotation", "step": 1}', *models, "--out", out]


def snapshot(world: World, out: Path) -> list[Any]:
    """The base as it is."""
    return ["derive", "--spec", json.dumps(SNAPSHOT), "--of", world.base, "--out", out]


def evaluate(world: World, out: Path) -> list[Any]:
    """One problem."""
    config = ["--config", "config/default.yaml", "--backend", "local", "--samples", 1, "--limit", 1]
    return ["evaluate", "--model", world.base, "--benchmarks", "math500", *config, "--max-new-tokens", 4, "--out", out]


def tables(command: str, *more: object) -> Callable[[World, Path], list[Any]]:
    """What reads collected tables."""

    def arguments(world: World, out: Path) -> list[Any]:
        collected = world.root / "taken" / "collected"
        if not collected.exists():
            collected.mkdir(parents=True)
            write_tables(collected)
        return [command, *(collected if one == "COLLECTED" else one for one in more), "--out", out]

    return arguments


def collect(world: World, out: Path) -> list[Any]:
    """Of no run."""
    return ["collect", "--spec", '{"runs": [], "benchmarks": []}', "--results", world.root, "--out", out]


def item(world: World, out: Path) -> list[Any]:
    """Of `python -m analysis`."""
    arguments = tables("main_results", "--collected", "COLLECTED")(world, out)
    return analysis(arguments[2], "main_results")[:-1] + [out]


# What is written, how, and the place that is taken, as seen from the place that `--out` names.
PLACES: tuple[tuple[str, Callable[[World, Path], list[Any]], str, Program], ...] = (
    ("data model", data("model", '{"steps": 1}'), ".", "red"),
    ("data prompts", data("prompts", '{"count": 4}'), ".", "red"),
    ("data prompts", data("prompts", '{"count": 4}'), "../out.json", "red"),
    ("data prompts", data("prompts", '{"count": 4}'), "../system.txt", "red"),
    ("data demonstrations", with_prompts("demonstrations", clean=False), ".", "red"),
    ("data demonstrations", with_prompts("demonstrations", clean=False), "../out.json", "red"),
    ("data corruption", with_prompts("corruption", '{"corruption": "noisy_labels", "rate": 0.0}'), ".", "red"),
    ("data wrong_responses", with_prompts("wrong_responses", '{"rate": 0.0}'), ".", "red"),
    *(
        ("data redistilled", with_prompts("redistilled", json.dumps(ANSWERS), False), place, "red")
        for place in (".", "../out.json")
    ),
    ("data benchmark", data("benchmark", '{"limit": 2}', "--name", "math500"), ".", "red"),
    *(
        ("train", lambda world, out: world.train(out, run_spec("sft", steps=1)), place, "red")
        for place in ("checkpoint", "snapshots", "state", "state.before", "finished", "failed_update")
    ),
    *(
        ("train", lambda world, out: world.train(out, run_spec("sft", steps=1)), place, "red")
        for place in ("metrics.jsonl", "provenance.json")
    ),
    *(
        ("generate", lambda world, out: world.generate(out), place, "red")
        for place in ("math500.generations.jsonl", "math500.json")
    ),
    ("grade", of_answers, "math500.grades.jsonl", "red"),
    ("probe", probe, ".", "red"),
    ("rotation", rotation, ".", "red"),
    *(("derive", snapshot, place, "red") for place in ("checkpoint", "provenance.json")),
    *(("evaluate", evaluate, place, "red") for place in ("summary.md", "summary.json", "benchmarks/math500.jsonl")),
    *(("collect", collect, place, "red") for place in ("scores.parquet", "dynamics.parquet", "runs.json")),
    ("export", tables("export", "--collected", "COLLECTED"), ".", "red"),
    ("analysis", item, "tables/main_results.csv", "analysis"),
)
# What is in the place.
TAKEN: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text(MINE),
    "a folder": lambda path: (path.mkdir(), (path / "mine").write_text(MINE)),
    "a link": lambda path: (path.with_name("elsewhere").write_text(MINE), path.symlink_to("elsewhere")),
}
ROWS = [
    (f"{name}, {kind} at {'OUT' if place == '.' else place}", arguments, place, kind, program)
    for name, arguments, place, program in PLACES
    for kind in TAKEN
]


@table("arguments, place, kind, program", "output place taken: ", ROWS)
def test_taken(
    arguments: Callable[[World, Path], list[Any]], place: str, kind: str, program: Program, tmp_path: Path, world: World
):
    out = tmp_path / "out"
    taken = Path(os.path.normpath(out / place))
    taken.parent.mkdir(parents=True, exist_ok=True)
    TAKEN[kind](taken)
    words = arguments(world, out)
    before = contents(tmp_path)
    line = refusal(words, program)
    assert re.search(REFUSED, line), line
    after = contents(tmp_path)
    assert {name: after.get(name) for name in before} == before


def contents(folder: Path) -> dict[str, str]:
    """What a user would miss."""
    return {str(path): str(path.readlink()) for path in folder.rglob("*") if path.is_symlink()} | {
        str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()
    }


def writing_commands() -> Iterable[str]:
    """Those with an option `--out`."""
    for module in pkgutil.iter_modules(commands.__path__):
        parser = argparse.ArgumentParser()
        import_module(f"red.commands.{module.name}").arguments(parser)
        if "--out" in parser.format_help() or module.name == "data":
            yield module.name


# Tried by cases of their own.
ONE_FILE = {"compare", "join", "plot"}


@named("output place taken: every command that writes is tried")
def test_every_command():
    assert set(writing_commands()) == {name.split()[0] for name, *_ in PLACES if name != "analysis"} | ONE_FILE


@named("output place taken: grade, the cases themselves")
def test_cases(tmp_path: Path):
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": "a", "response": "1", "gold": "1"}')
    assert "would replace" in refusal(["grade", "--cases", cases, "--out", cases])
    assert json.loads(cases.read_text())["gold"] == "1"


@named("output place taken: compare, the notes of a user")
def test_compare(tmp_path: Path):
    synthetic.write(tmp_path / "collected", steps=4, fraction=0.1)
    (tmp_path / "notes.md").write_text(MINE)
    options = ["--results", tmp_path, "--out", tmp_path / "notes.md"]
    assert "notes.md: not made by this program" in refusal(["compare", "red", "sft", *options])
    assert (tmp_path / "notes.md").read_text() == MINE


@named("output place taken: plot, the picture of a user")
def test_plot(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text('{"train/step": 0, "red/w": 1.0}\n{"train/step": 1, "red/w": 2.0}\n')
    (tmp_path / "mine.svg").write_text(MINE)
    options = ["--metric", "red/w", "--out", tmp_path / "mine.svg"]
    assert "mine.svg: not made by this program" in refusal(["plot", tmp_path / "metrics.jsonl", *options])
    assert (tmp_path / "mine.svg").read_text() == MINE


@named("output place taken: join, a table of a user")
def test_join(tmp_path: Path):
    collected = synthetic.write(tmp_path / "collected", steps=4, fraction=0.1)
    runs = json.loads((collected / "runs.json").read_text())
    (collected / "runs.json").write_text(json.dumps([{**run, "study": {"name": "one"}} for run in runs]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.parquet").write_text(MINE)
    assert "scores.parquet: not made by" in refusal(["join", collected, "--out", tmp_path / "out"])
    assert (tmp_path / "out" / "scores.parquet").read_text() == MINE


@named("output place taken: the current folder")
def test_current_folder(tmp_path: Path):
    for kind in ("model", "prompts", "benchmark"):
        more = ["--name", "math500"] if kind == "benchmark" else []
        refusal(["data", kind, "--spec", "{}", "--out", ".", *more])


LISTS: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("a link", lambda path: (path.with_name("mine").write_text("0" * 64 + "  a\n"), path.symlink_to("mine"))),
    ("a pipe", os.mkfifo),
    ("a folder", Path.mkdir),
)


@table("taken", "output place taken: list of hashes that is ", LISTS)
def test_list(taken: Callable[[Path], object], tmp_path: Path):
    taken(tmp_path / checksums.NAME)
    before = {path: path.lstat().st_ino for path in tmp_path.iterdir()}
    line = refusal(["data", "prompts", "--spec", '{"count": 4}', "--out", tmp_path / "prompts.jsonl"])
    assert "not a list that this program wrote" in line, line
    assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == before


# What is written, and the last thing that is done before it gets its name.
MEANWHILE: tuple[tuple[str, list[str], Any, str], ...] = (
    ("a file", ["data", "prompts", "--spec", '{"count": 4}'], os, "fsync"),
    ("a folder", ["data", "model", "--spec", '{"steps": 1}'], checksums, "list_all"),
)


@table("arguments, owner, name", "output place taken while it is written: ", MEANWHILE)
def test_meanwhile(arguments: list[str], owner: Any, name: str, tmp_path: Path, monkeypatch):
    out, last = tmp_path / "out", getattr(owner, name)

    def taking(*words: Any) -> object:
        out.mkdir(exist_ok=True)
        (out / "thesis").write_text(MINE)
        return last(*words)

    monkeypatch.setattr(owner, name, taking)
    status, errors = execute([*arguments, "--out", out])
    assert status == 2 and "out" in errors.splitlines()[-1], errors
    assert contents(tmp_path)[str(out / "thesis")] == MINE


def read_and_written(world: World, place: Path) -> dict[str, tuple[Path, list[Any]]]:
    """What the program made, and the arguments of a command that reads it and is told to write there."""
    prompts, clean, parent = place / "prompts.jsonl", place / "clean.jsonl", place / "run" / "checkpoint"
    write_jsonl(prompts, read_jsonl(world.prompts))
    write_jsonl(clean, read_jsonl(world.demonstrations))
    shutil.copytree(world.base, parent)
    shutil.copytree(world.base, place / "models" / "base")
    own, collected, runs = World(place), place / "collected", place / "collected" / "runs.json"
    write_json(runs, [])
    corruption = data("corruption", '{"corruption": "clean"}', "--prompts", prompts, "--demonstrations", clean)
    return {
        "prompts of demonstrations": (prompts, data("demonstrations", "{}", "--prompts", prompts)(own, prompts)),
        "demonstrations to corrupt": (clean, corruption(own, clean)),
        "prompts of a probe": (prompts, [*probe(world, prompts), "--prompts", prompts]),
        "cases to grade": (clean, ["grade", "--cases", clean, "--out", clean]),
        "tables to export": (collected, ["export", "--collected", collected, "--out", collected / "runs.json"]),
        "tables to compare": (
            collected,
            ["compare", "red", "sft", "--results", place, "--out", collected / "runs.json"],
        ),
        "models of a rotation": (own.base, rotation(own, own.base / "model.safetensors")),
        "model of a probe": (own.base, probe(own, own.base / "model.safetensors")),
        "model that answers prompts": (
            own.base,
            with_prompts("redistilled", json.dumps(ANSWERS), False)(own, own.base / "rows.jsonl"),
        ),
        "model that another is made of": (own.base, snapshot(own, own.base / "other")),
        "model that answers": (own.base, own.generate(own.base / "answers")),
        "model that is evaluated": (own.base, evaluate(own, own.base)),
        "parent of a training": (parent, world.train(parent.parent, run_spec("sft", steps=1), parent=parent)),
    }


INPUTS = ("prompts of demonstrations", "demonstrations to corrupt", "prompts of a probe", "cases to grade")
INPUTS += ("tables to export", "tables to compare", "parent of a training", "models of a rotation", "model of a probe")
INPUTS += (
    "model that answers prompts",
    "model that another is made of",
    "model that answers",
    "model that is evaluated",
)


@table("name", "output place is what is read: ", [(name, name) for name in INPUTS])
def test_input(name: str, world: World, tmp_path: Path):
    source, arguments = read_and_written(world, tmp_path)[name]
    before = contents(source if source.is_dir() else source.parent)
    assert "which is read for it" in refusal(arguments)
    assert contents(source if source.is_dir() else source.parent) == before


@named("output place written by several at once: what is there is what is listed")
def test_several_writers(tmp_path: Path):
    path = tmp_path / "out.json"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: write_atomic(path, str(number)), range(200)))
    assert checksums.listed(tmp_path)["out.json"] == {checksums.file_hash(path)}


@named("output place taken: of its own making, made again")
def test_own(tmp_path: Path, world: World):
    for _ in range(2):
        succeed(["data", "prompts", "--spec", '{"count": 4}', "--out", tmp_path / "prompts.jsonl"])
        succeed(["data", "model", "--spec", '{"steps": 1}', "--out", tmp_path / "model"])
        succeed([*world.generate(tmp_path / "answers")])
        succeed(grade(tmp_path / "answers", world.benchmarks))
        succeed(world.train(tmp_path / "run", run_spec("sft", steps=1)))


BELOW: tuple[tuple[str, Callable[[World, Path], list[Any]]], ...] = (
    ("rotation", rotation),
    ("derive", snapshot),
    ("data model", data("model", '{"steps": 1}')),
    ("export", tables("export", "--collected", "COLLECTED")),
)


@table("arguments", "output place below a file, refused before any work: ", BELOW)
def test_below(arguments: Callable[[World, Path], list[Any]], tmp_path: Path, world: World, check):
    (tmp_path / "mine").write_text(MINE)
    check(r"/mine is a file, not a folder; write elsewhere", arguments(world, tmp_path / "mine" / "a" / "b"))
    assert contents(tmp_path) == {str(tmp_path / "mine"): MINE}
