"""A changed byte in every kind of file of a finished run: one line, or less of the file, or the same result; never
another number."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from red.data import memory
from red.data.sources import read_demonstrations, read_prompts
from red.errors import RedError, one_line
from red.evaluation import benchmarks
from red.evaluation.answers import AnswerLog
from red.evaluation.verdicts import _answers
from red.plumbing import checksums
from red.plumbing.storage import numbered_lines, read_json, read_text
from red.tables.reader import load
from red.training.metrics_log import whole_lines
from red.training.state import load_state
from tests.faults.case import table
from tests.faults.study import PROBLEMS, Study
from tests.faults.world import SAMPLES

pytestmark = pytest.mark.faults("damaged files")
POSITIONS = 24  # in the default suite
EVERY = 10  # bytes between positions in the campaign, which tries no more than
MOST = 2_000  # in one file
CHECKPOINT = "runs/fault/seed3/checkpoint"


def tables(folder: Path) -> Any:
    """What analysis reads of a folder of collected tables."""
    read = load(folder)
    sources = (read.scores_source, read.dynamics_source, read.probes_source)
    return read.runs, read.benchmarks, [source.to_table().to_pylist() for source in sources]


def steps(path: Path) -> list[bytes]:
    """The lines of metrics that a resumed training keeps."""
    return [raw for _, raw in numbered_lines(path)][: whole_lines(path)]


def kept(path: Path) -> list[dict[str, Any]]:
    """The answers that are not made again."""
    copy = path.with_name("copy.jsonl")
    shutil.copy(path, copy)
    log = AnswerLog(copy)
    log.close()
    return list(log.rows.values())


def answers(path: Path, problems: Path) -> list[dict[str, Any]]:
    """What is graded."""
    return list(_answers(path, [problem.id for problem in benchmarks.read(problems)], SAMPLES))


# A kind of file, one of it below the results, and what a stage makes of it.
KINDS: tuple[tuple[str, str, Callable[[Study, Path], Any]], ...] = (
    ("training prompts", "data/prompts.jsonl", lambda study, path: read_prompts(path)),
    ("system prompt", "data/system.txt", lambda study, path: read_text(path)),
    ("demonstrations", "data/demonstrations.jsonl", lambda study, path: read_demonstrations(path)),
    ("problems of a benchmark", PROBLEMS, lambda study, path: benchmarks.read(path)),
    ("metrics of a run", "runs/fault/seed3/metrics.jsonl", lambda study, path: study.collected()),
    ("provenance of a run", "runs/fault/seed3/provenance.json", lambda study, path: study.collected()),
    ("list of a run's files", f"runs/fault/seed3/{checksums.NAME}", lambda study, path: study.collected()),
    ("weights", f"{CHECKPOINT}/model.safetensors", lambda study, path: checksums.folder_hash(path.parent)),
    ("config of a model", f"{CHECKPOINT}/config.json", lambda study, path: checksums.folder_hash(path.parent)),
    ("tokenizer", f"{CHECKPOINT}/tokenizer.json", lambda study, path: checksums.folder_hash(path.parent)),
    ("model card", f"{CHECKPOINT}/README.md", lambda study, path: checksums.folder_hash(path.parent)),
    (
        "list of a model's files",
        f"{CHECKPOINT}/{checksums.NAME}",
        lambda study, path: checksums.folder_hash(path.parent),
    ),
    (
        "snapshot",
        "runs/fault/seed3/snapshots/step2/model.safetensors",
        lambda study, path: checksums.folder_hash(path.parent),
    ),
    (
        "derived model",
        "derived/made/seed3/checkpoint/model.safetensors",
        lambda study, path: checksums.folder_hash(path.parent),
    ),
    (
        "record of a finished training",
        "runs/fault/seed3/finished/trained.json",
        lambda study, path: checksums.folder_hash(path.parent),
    ),
    (
        "answers",
        "evaluations/fault/seed3/math500.generations.jsonl",
        lambda study, path: answers(path, study.results / PROBLEMS),
    ),
    ("verdicts", "evaluations/fault/seed3/math500.grades.jsonl", lambda study, path: study.collected()),
    ("description of answers", "evaluations/fault/seed3/math500.json", lambda study, path: read_json(path)),
    ("probe", "probes/fault/seed3/entropy.parquet", lambda study, path: study.collected()),
    *(
        (f"collected {name}", f"collected/{name}", lambda study, path: tables(path.parent))
        for name in ("scores.parquet", "dynamics.parquet", "probes.parquet", "runs.json", "benchmarks.json")
    ),
    ("metrics that grow", "log/metrics.jsonl", lambda study, path: steps(path)),
    ("answers that grow", "log/answers.jsonl", lambda study, path: kept(path)),
    ("resume state", "log/state-00000003.bin", lambda study, path: load_state(path.parent)),
    ("owner of a resume state", "log/identity.json", lambda study, path: read_json(path)),
    ("tokenized problems", "CACHE", lambda study, path: memory._read(path)),
)
# Kinds of which a reader takes what is whole. A resume state gives way to the one before it.
LESS = ("metrics that grow", "answers that grow", "resume state", "tokenized problems")


def sweep(study: Study, kind: str, where: str, read: Callable[[Study, Path], Any], stride: int | None) -> str:
    """Change a byte at each position in turn; returns what came of it."""
    cache = next(study.world.prompts.parent.glob("problems/*.bin"))
    path = cache if where == "CACHE" else study.results / where
    content = path.read_bytes()
    whole = read(study, path)
    positions = range(0, len(content), max(stride or len(content) // POSITIONS, len(content) // MOST, 1))
    noticed = 0
    try:
        for position in positions:
            changed = bytearray(content)
            changed[position] ^= 1
            path.write_bytes(changed)
            try:
                found = read(study, path)
            except RedError as error:
                assert len(one_line(error).splitlines()) == 1
                noticed += 1
                continue
            less = kind in LESS and is_part(found, whole)
            assert found == whole or less, f"byte {position}: {content[position : position + 40]!r}"
            noticed += found != whole
    finally:
        path.write_bytes(content)
    assert read(study, path) == whole
    return f"{len(positions)} positions, {noticed} noticed, {len(positions) - noticed} without a consequence"


def is_part(found: Any, whole: Any) -> bool:
    """Whether it is some of the lines, the state before, or nothing."""
    if isinstance(found, list):
        return all(row in whole for row in found)
    return found is None or (isinstance(found, dict) and found["step"] == whole["step"] - 1)


@table("kind, where, read", "a byte changed, at some places: ", [(kind, kind, *rest) for kind, *rest in KINDS])
def test_some(kind: str, where: str, read: Callable[[Study, Path], Any], study: Study, remark):
    remark(sweep(study, kind, where, read, None))


@pytest.mark.long
@table("kind, where, read", "a byte changed, every tenth: ", [(kind, kind, *rest) for kind, *rest in KINDS])
def test_every(kind: str, where: str, read: Callable[[Study, Path], Any], study: Study, remark):
    remark(sweep(study, kind, where, read, EVERY))
