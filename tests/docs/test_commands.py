"""Every command that a page shows is run as it is written, or has a reason here why not.

Make is asked for its plan (`make -n`), Snakemake for a dry run; the tutorial is followed to the letter.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from red import commands
from red.__main__ import main
from red.plumbing.documents import deep_merge
from red.plumbing.storage import write_json, write_jsonl
from red.study import config, jobs
from tests.data.test_openr1 import row
from tests.docs.pages import Page, read
from tests.fixtures import studies
from tests.fixtures.programs import programs
from tests.workflow.conftest import Checkout, copy

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = read(REPOSITORY)
TUTORIAL = "docs/tutorial.md"
# Begins with: why no test runs it.
UNRUN = {
    ". .venv/bin/activate": "an environment is active here",
    "git": "of the repository that one works in, not of the project",
    ".ci/run": "all of CI, more than an hour",
    "pip install": "gigabytes from an index, flash-attn among them, which a CUDA compiler builds",
    "conda env create": "the same, with conda",
    "bash workflow/environment.post-deploy.sh": "the same, its second half",
    "python -m bench": "minutes to an hour each, gpu on a GPU; tests/bench runs every row shortened",
    "python bench/": "the same, one side of a row",
    "python -m tests.": "writes the numbers that tests compare with",
    "python -m pytest -m index": "gigabytes from an index, after a change of pins",
}
# What makes a command short. Words that a reader replaces have a file of that name, except these.
QUICK = {"red evaluate": "--backend local --limit 1 --samples 1 --max-new-tokens 8 --workers 1"}
PROMPTS = 3
SHORT = {
    "model": {"steps": 30},
    "data": {"prompts": {"count": 60}},
    "common": {"steps": 2, "max_new_tokens": 24, "prompts_per_step": 4},
    "runs": {"sft": {"steps": 2, "prompts_per_step": 4}},
    "evaluation": {"max_new_tokens": 24},
    "benchmarks": {name: {"samples": 1} for name in ("aime24", "aime25", "amc", "math500", "minerva", "olympiad")},
}
CHAT = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "


def by(*starts: str) -> Iterator[tuple[Page, str]]:
    """Commands of all pages that begin so."""
    return ((page, command) for page in PAGES.values() for command in page.commands if command.startswith(starts))


def runnable(page: Page) -> list[str]:
    return [command for command in page.commands if not command.startswith(("make ", *UNRUN))]


def test_every_reason_is_needed():
    assert [start for start in UNRUN if not list(by(start))] == []


def test_every_page_with_commands_is_found():
    asked = [name for name, page in PAGES.items() if runnable(page)]
    assert {"README.md", TUTORIAL, "docs/scales.md", "docs/own-data.md", "docs/faq.md", "docs/files.md"} <= set(asked)


def test_a_block_of_a_page_is_read_as_a_reader_would():
    page = Page("x", "Text:\n\n    make a  # first\n    red b \\\n      --c 'd # e'\n\nor `red\nplot`, `red join A`.\n")
    assert page.commands == ["make a", "red b --c 'd", "red join A"] and page.mentions == {"plot"}


@pytest.mark.parametrize("page", [page for page in PAGES.values() if page.mentions], ids=lambda page: page.name)
def test_a_command_that_is_named_is_there(page):
    assert page.mentions <= set(commands.names())


def test_every_make_target_that_a_page_names_is_one(repository):
    """`make -n` reads the target and all that it needs; that it works is CI's (.ci/run) or its own test's."""
    asked = {command for _, command in by("make ")}
    assert {"make reproduce", "make test", "make rehearsal"} <= asked
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    for command in sorted(asked):
        dry = ["make", "-n", "--old-file=setup", *shlex.split(command)[1:]]
        done = subprocess.run(dry, cwd=repository, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (command, done.stderr)


def test_every_study_that_a_page_asks_for_is_one(repository, tmp_path):
    """The files behind `--configfile`, those of the page among them; what Snakemake makes of them is slow to ask."""
    asked = {(page.name, tuple(_files(command))) for page, command in by("snakemake ", "python ") if _files(command)}
    assert len(asked) > 15
    for name, files in asked:
        folder = tmp_path / name
        shutil.copytree(repository / "config", folder / "config", dirs_exist_ok=True)
        _write(PAGES[name], folder)
        if any(file.startswith("red/methods/") for file in PAGES[name].files):
            continue  # its own test follows it in a copy of the project
        overlays = [file for file in files if not file.startswith("results/")]
        document = config.load(*(folder / file for file in ("config/default.yaml", *overlays)))
        assert jobs.trained(document), (name, files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES.values() if runnable(page) and page.name != TUTORIAL], ids=lambda page: page.name
)
def test_the_commands_of_a_page_run(repository, page, byte_checkpoint, request, tmp_path):
    """In their order, in a project with a small model, some rows of data and what a study leaves behind."""
    checkout = _project(repository, tmp_path, page, byte_checkpoint)
    if any("FOLDER" in command for command in page.commands):  # files that the catalog's hashes name
        (checkout.root / "FOLDER").symlink_to(request.getfixturevalue("shared") / "benchmarks")
    for number, command in enumerate(runnable(page)):
        done = _run(_shortened(command, number), checkout)
        # There is no GPU here, and `doctor` says so.
        assert done.returncode == int("red doctor --configfile config/paper" in command), (command, done.stderr[-2000:])


@pytest.mark.slow
def test_the_tutorial_works_as_written(repository, tmp_path):
    """In its order, with its files; the first overlay also makes everything short."""
    page = PAGES[TUTORIAL]
    checkout = _checkout(repository, tmp_path)
    for name, content in page.files.items():
        target = checkout.root / name
        assert not target.exists(), f"{name} is edited, not added"
        if name == "config/first.yaml":
            content = yaml.safe_dump(deep_merge(SHORT, yaml.safe_load(content)), sort_keys=False)
        target.write_text(content)
    for command in runnable(page):
        done = _run(command, checkout)
        assert done.returncode == 0, (command, (done.stdout + done.stderr)[-2000:])
    assert (checkout.root / "curves.png").read_bytes().startswith(b"\x89PNG")
    report = (checkout.root / "results" / "first" / "report.html").read_text()
    assert "Anchor" in report and "4 runs trained" in report


def _files(command: str) -> list[str]:
    match = re.search(r"--configfile((?: [^- ]\S+)+)", command)
    return match[1].split() if match else []


def _shortened(command: str, number: int) -> str:
    """With places of its own, and a dry run of what takes hours."""
    own = {r"\bOUT\b": f"out{number}", r"\binit DIR\b": "init ../study", r"\bFILE\b": "rows.jsonl"}
    for word, place in own.items():
        command = re.sub(word, place, command)
    command = command.replace('"prompts": 30', f'"prompts": {PROMPTS}')
    if command.startswith("snakemake ") and "--unlock" not in command:
        return f"{command} -n"
    return " ".join([command, *(more for start, more in QUICK.items() if start in command)])


def _checkout(repository: Path, folder: Path) -> Checkout:
    """A copy of the project, and programs that are this Python's."""
    runs = {"python": f'exec "{sys.executable}" "$@"', "red": f'exec "{sys.executable}" -m red "$@"'}
    path = programs(folder / "bin", **runs, snakemake=f'exec "{sys.executable}" -m snakemake "$@"')
    return Checkout(copy(repository, folder / "project"), {"PATH": path, "OMP_NUM_THREADS": "1"})


def _run(command: str, checkout: Checkout) -> subprocess.CompletedProcess[str]:
    """By bash, as a reader would."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        env=os.environ | checkout.environment,
        timeout=3600,
    )


def _write(page: Page, root: Path) -> None:
    """Its files; `/data` is a folder here."""
    for name, text in page.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("/data", str(root / "data")))


def _project(repository: Path, folder: Path, page: Page, model: Path) -> Checkout:
    """What the commands of the pages read: a model, rows, logs and tables."""
    checkout = _checkout(repository, folder)
    root = checkout.root
    _write(page, root)
    (root / "data" / "model").mkdir(parents=True)
    for name in ("train.jsonl", "test.jsonl"):
        (root / "data" / name).touch()
    for name in ("DIR", "MODEL", "results/tiny/runs/red/seed0/checkpoint"):
        shutil.copytree(model, root / name)
        (root / name / "chat_template.jinja").write_text(CHAT)
    (root / "DIR" / "rows.jsonl").write_text("".join(json.dumps(row(number)) + "\n" for number in range(PROMPTS)))
    shutil.copy(repository / "examples" / "responses.jsonl", root / "IN.jsonl")
    problems = [span for span in PAGES["docs/evaluate.md"].spans if span.startswith('{"id"')]
    (root / "my.jsonl").write_text("\n".join(problems) + "\n")
    shutil.copytree(repository / "tests" / "objective", root / "tests" / "objective")
    _leave(root / "results")
    return checkout


def _leave(results: Path) -> None:
    """What was trained and collected before."""
    for run in ("red", "grpo"):
        log = results / "tiny" / "runs" / run / "seed0" / "metrics.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"train/step": step, "entropy/rollout": 0.5, "red/w": 1.0} for step in range(3)]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_jsonl(results / "tiny" / "evaluations" / "red" / "seed0" / "generations.jsonl", [{"id": 1}])
    for name, setting in {"low": 0.1, "high": 0.5}.items():
        folder = results / "sensitivity" / name
        folder.mkdir(parents=True)
        studies.write(folder / "collected", {"name": name, "knob": "opener", "setting": setting}, {"sft": 0.4})
    spec = results / "sweep" / "collected" / "spec.json"
    swept = config.load(*(results.parent / "config" / f"{name}.yaml" for name in ("default", "sweep")))
    write_json(spec, jobs.collect_spec(swept))
    options = ["--spec", f"@{spec}", "--results", str(results / "sweep"), "--out", str(spec.parent)]
    assert main(["collect", *options]) == 0
