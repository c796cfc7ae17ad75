"""The code behind each stage: what a fingerprint covers, and that a stage loads nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from red.plumbing.sources import NEUTRAL, sources
from red.study import code, config, derived, jobs
from red.study.runs import run_spec

# Every module of ours that a process or one of its children looks for is written to $LOADED.
RECORDER = """
import os, sys

class Recorder:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("red", "analysis"):
            with open(os.environ["LOADED"], "a") as names:
                print(name, file=names)

sys.meta_path.insert(0, Recorder)
"""
SHORT = {
    "only": ["red"],
    "model": {"steps": 2},
    "data": {"prompts": {"count": 24}},
    "common": {"steps": 2, "prompts_per_step": 2, "group_size": 2, "max_new_tokens": 16, "entropy_every": 1},
    "evaluation": {"max_new_tokens": 8},
    "benchmarks": {"aime24": {"samples": 1}},
    "probes": {"entropy": {"runs": ["red"], "prompts": 2, "samples": 1}},
}


@pytest.fixture(scope="module")
def tiny(repository: Path) -> dict:
    """With one base for all seeds."""
    document = config.load(repository / "config" / "default.yaml")
    return {**document, "model": {**document["model"], "seed": 0}}


@pytest.fixture(scope="module")
def paper(repository: Path) -> dict:
    return config.load(repository / "config" / "default.yaml", repository / "config" / "paper.yaml")


ALL = (
    *("model", "prompts", "demonstrations", "wrong_responses", "corruption", "benchmark"),
    *("train", "derive", "generate", "grade", "probe", "rotation", "collect", "export"),
)


def stages_of(document: dict) -> dict[str, code.Modules]:
    """Every stage by name."""
    return {
        "model": code.model(document, next(iter(jobs.models(document)))),
        "prompts": code.prompts(document),
        "demonstrations": code.demonstrations(document),
        "wrong_responses": code.wrong_responses(document),
        "corruption": code.CORRUPTION,
        "benchmark": code.benchmark(document, next(iter(document["benchmarks"]))),
        "train": code.training(run_spec(document, "red", 0)),
        "derive": code.DERIVED,
        "generate": code.generation(document),
        "grade": code.GRADING,
        "probe": code.probe(document),
        "rotation": code.ROTATION,
        "collect": code.COLLECT,
        "export": code.EXPORT,
    }


def stages_with(path: str, document: dict) -> set[str]:
    """Those that an edit of the file reruns."""
    return {stage for stage, modules in stages_of(document).items() if path in sources(*modules)}


AFTER_WORLD = {"model", "prompts", "demonstrations", "benchmark"}
USES_MODELS = {"model", "wrong_responses", "train", "generate", "probe"}
CORRUPTING = {"demonstrations", "wrong_responses", "corruption"}
TINY = {
    "red/models/prepare.py": set(),
    "red/models/qwen2.py": USES_MODELS,
    "red/models/packed.py": {"train", "probe"},
    "red/models/singular.py": {"derive", "rotation"},
    "red/models/surgery.py": {"derive"},
    "red/models/folder.py": USES_MODELS | {"derive", "rotation"},
    "red/probes/rotation.py": {"rotation"},
    "red/probes/row.py": {"probe", "rotation", "collect", "export"},
    # grading reads the problems with the module that renders them; a folder's documents come with its tokenizer
    "red/text/template.py": USES_MODELS | {"grade", "derive", "rotation"},
    "red/text/equations.py": {"probe"},
    "red/text/thinking_words.py": {"train", "probe"},
    "red/world/problems.py": AFTER_WORLD,
    "red/world/vocabulary.py": {"model", "prompts", "demonstrations"},
    "red/data/corruption.py": CORRUPTING,
    "red/data/sources/embedded.py": {"prompts", "demonstrations"},
    "red/data/sources/openr1.py": set(),
    "red/data/problems.py": {"train", "probe"},
    "red/grading/verdict.py": CORRUPTING | {"train", "grade", "probe"},
    "red/grading/algebra/worker.py": CORRUPTING | {"train", "grade", "probe"},
    "red/methods/red.py": {"train"},
    "red/methods/luffy.py": set(),
    "red/objective/loss.py": {"train"},
    "red/training/measures.py": {"train"},
    "red/engines/local/adamw.py": {"train"},
    "red/engines/openrlhf/loss.py": set(),
    "red/sampling/sampler.py": {"wrong_responses", "train", "generate", "probe"},
    "red/sampling/vllm_worker.py": set(),
    "red/evaluation/catalog.yaml": {"generate", "grade"},
    "red/evaluation/protected.py": set(),
    "red/tables/collect.py": {"collect"},
    "red/tables/export.py": {"export"},
    "red/plumbing/storage.py": set(),
    "red/plumbing/sources.py": set(),
    "red/errors.py": set(),
    "red/ranges.py": set(),
    "red/commands/train.py": set(),
    "red/study/status.py": set(),
    "red/study/config.schema.yaml": set(),
    "red/statistics/intervals.py": set(),
}
PAPER = {
    "red/models/prepare.py": {"model"},
    "red/data/sources/openr1.py": {"prompts", "demonstrations"},
    "red/data/sources/embedded.py": set(),
    "red/grading/verdict.py": CORRUPTING | {"prompts", "train", "generate", "grade", "probe"},
    "red/evaluation/catalog.yaml": {"benchmark", "generate", "grade"},
    "red/evaluation/protected.py": {"generate"},
    "red/engines/openrlhf/loss.py": {"train"},
    "red/engines/local/adamw.py": set(),
    "red/sampling/vllm_worker.py": {"wrong_responses", "generate", "probe"},
}


@pytest.mark.parametrize("path", TINY)
def test_an_edit_at_tiny_scale_reruns_what_the_file_is_part_of(path, tiny, repository):
    assert (repository / path).is_file()
    assert stages_with(path, tiny) == TINY[path]


@pytest.mark.parametrize("path", PAPER)
def test_an_edit_at_paper_scale_reruns_what_the_file_is_part_of(path, paper, repository):
    assert (repository / path).is_file()
    assert stages_with(path, paper) == PAPER[path]


def test_a_method_is_part_of_its_runs_and_of_its_importers(tiny):
    specs = [run_spec(tiny, run, 0) for run in tiny["runs"]]
    trained = {spec.run for spec in specs if "red/methods/chord_mu.py" in sources(*code.training(spec))}
    assert trained == {"chord_mu", "chord_phi", "gac", "gac_guided"}


def commands(document: dict, results: Path) -> list[tuple[str, list]]:
    """What the workflow runs, stage by stage, with its real specs."""
    data, where = results / "data", Path("red") / "seed0"
    model, prompts, taught = results / "models" / "base", data / "prompts.jsonl", data / "clean.jsonl"
    run, answers, collected = results / "runs" / where, results / "evaluations" / where, results / "collected"
    probed = results / "probes" / where / "entropy.parquet"
    questions, given = ["--prompts", prompts], ["--prompts", prompts, "--demonstrations", taught]

    def spec(value: dict) -> list[str]:
        return ["--spec", json.dumps(value)]

    clean, sampled = spec(jobs.demonstrations_spec(document)), spec(jobs.wrong_responses_spec(document))
    noisy, wrong = spec(jobs.corruption_spec(document, "noisy_labels")), data / "wrong_responses.jsonl"
    answered = ["--checkpoint", run / "checkpoint", "--benchmarks", data, "--out", answers]
    probe = ["--checkpoint", run / "checkpoint", "--model", f"parent={model}", *given, "--out", probed]
    made = {**document, "derived": {"made": {"of": "red", "vectors": "base"}}}
    derive = ["derive", *spec(derived.spec(made, "made", 0)), "--of", run / "checkpoint", "--donor", model]
    turned = ["--checkpoint", run / "checkpoint", "--start", model, "--out", probed.with_name("rotation.parquet")]
    return [
        ("model", ["data", "model", *spec(next(iter(jobs.models(document).values()))), "--out", model]),
        ("prompts", ["data", "prompts", *spec(jobs.prompts_spec(document)), "--out", prompts]),
        ("demonstrations", ["data", "demonstrations", *clean, *questions, "--out", taught]),
        ("wrong_responses", ["data", "wrong_responses", *sampled, *given, "--model", model, "--out", wrong]),
        ("corruption", ["data", "corruption", *noisy, *given, "--wrong-responses", wrong, "--out", data / "noisy"]),
        (
            "benchmark",
            ["data", "benchmark", "--name", "aime24", *spec(jobs.benchmark_spec(document, "aime24"))]
            + ["--out", data / "aime24.jsonl"],
        ),
        (
            "train",
            ["train", *spec(jobs.training_spec(run_spec(document, "red", 0))), "--parent", model, *given, "--out", run],
        ),
        ("derive", [*derive, "--out", results / "derived"]),
        ("generate", ["generate", *spec({**jobs.generation_spec(document), "run": "red", "seed": 0}), *answered]),
        ("grade", ["grade", *spec(jobs.grading_spec(document)), "--evaluation", answers, "--benchmarks", data]),
        ("probe", ["probe", *spec(jobs.probe_spec(document, "red", "entropy")), *probe]),
        ("rotation", ["rotation", *spec(jobs.probe_spec(document, "red", "rotation")), *turned]),
        ("collect", ["collect", *spec(jobs.collect_spec(document)), "--results", results, "--out", collected]),
        ("export", ["export", "--collected", collected, "--out", results / "results.json"]),
    ]


@pytest.fixture(scope="module")
def short(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """One run of a few steps and one benchmark."""
    overlay = tmp_path_factory.mktemp("short") / "short.yaml"
    overlay.write_text(yaml.safe_dump(SHORT))
    document = config.load(repository / "config" / "default.yaml", overlay)
    return {**document, "benchmarks": {"aime24": document["benchmarks"]["aime24"]}}


@pytest.fixture(scope="module")
def loaded(short: dict, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The modules that the commands of each stage load, in fresh interpreters and their children."""
    root = tmp_path_factory.mktemp("loaded")
    (root / "sitecustomize.py").write_text(RECORDER)
    for stage, words in commands(short, root / "results"):
        record = {"LOADED": str(root / f"{stage}.txt"), "PYTHONPATH": f"{root}{os.pathsep}{repository}"}
        command = [sys.executable, "-m", "red", *map(str, words)]
        done = subprocess.run(command, cwd=root, env=os.environ | record, capture_output=True, text=True)
        assert done.returncode == 0, (stage, done.stderr[-2000:])
    return {file.stem: set(file.read_text().split()) for file in root.glob("*.txt")}


@pytest.mark.parametrize("stage", ALL)
def test_a_stage_loads_nothing_that_its_fingerprint_leaves_out(stage, loaded, short, repository):
    """Also what is imported by name. The rest changes no result by definition."""
    names = [name.replace(".", "/") for name in loaded[stage] if not name.startswith(NEUTRAL)]
    paths = {path for name in names for path in (f"{name}.py", f"{name}/__init__.py")}
    files = {path for path in paths if (repository / path).is_file()}  # a look-up that failed has none
    assert files > {"red/__init__.py"}
    assert files - set(sources(*stages_of(short)[stage])) == set()


def test_what_is_imported_by_name_and_in_a_child_is_seen(loaded):
    assert {"red.engines.local.policy", "red.methods.red", "red.grading.algebra.worker"} <= loaded["train"]
    assert {"red.data.sources.embedded", "red.sampling.sampler"} <= loaded["demonstrations"] | loaded["wrong_responses"]
