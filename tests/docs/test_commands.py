"""Every command that README, tutorial and the first pages show is run, in a project where a short study is finished."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from red.plumbing.documents import deep_merge
from tests.workflow.conftest import Checkout, copy

NAMES = ("index", "evaluate", "tutorial", "own-data", "results", "scales")
PAGES = ("README.md", *(f"docs/{name}.md" for name in NAMES))
COMMAND = re.compile(r"^    ((?:make|snakemake|python|red|pip|git|\.) .+)$", re.MULTILINE)
FILE = re.compile(r'```(?:yaml|python|json) title="([^"]+)"\n(.*?)```', re.DOTALL)
INLINE = re.compile(r"`((?:make|snakemake|python -m red|red) [^`]+)`")
# Words of a page that a reader replaces, and what makes a command short.
PLACES = {"DIR": "model"}
QUICK = {"evaluate": "--backend local --limit 1 --samples 1 --max-new-tokens 8 --workers 1"}
SHORT = {
    "model": {"steps": 30},
    "data": {"prompts": {"count": 60}},
    "common": {"steps": 2, "max_new_tokens": 24, "prompts_per_step": 4},
    "runs": {"sft": {"steps": 2, "prompts_per_step": 4}},
    "evaluation": {"max_new_tokens": 24},
    "benchmarks": {name: {"samples": 1} for name in ("aime24", "aime25", "amc", "math500", "minerva", "olympiad")},
}


def commands(text: str) -> list[str]:
    """Those of a page, without the remarks behind them, in blocks and then in the text; a line that ends in a backslash
    goes on."""
    lines = COMMAND.findall(re.sub(r"\\\n +", "", text))
    return [re.split(r"\s{2,}#|\s#\s", line)[0].strip() for line in lines] + INLINE.findall(text)


@pytest.fixture(scope="module")
def pages(repository: Path) -> dict[str, list[str]]:
    found = {page: commands((repository / page).read_text(encoding="utf-8")) for page in PAGES}
    assert all(found.values())
    return found


def test_every_make_target_that_a_page_names_is_one(repository, pages):
    """`make -n` reads the target and all that it needs; that it works is CI's (.ci/run) or its own test's."""
    asked = {command for page in pages.values() for command in page if command.startswith("make ")}
    assert {"make reproduce", "make test", "make rehearsal"} <= asked
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    for command in sorted(asked):
        dry = ["make", "-n", "--old-file=setup", *shlex.split(command)[1:]]
        done = subprocess.run(dry, cwd=repository, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (command, done.stderr)


def test_every_plan_that_a_page_shows_is_one(repository, pages, tmp_path):
    """Calls of Snakemake, as dry runs, with the files that the pages give."""
    planned = _checkout(repository, tmp_path)
    for page in PAGES:
        for name, text in FILE.findall((repository / page).read_text(encoding="utf-8")):
            (planned.root / name).write_text(text.replace("/data", str(planned.root / "data")))
    (planned.root / "data" / "model").mkdir(parents=True)
    for name in ("train.jsonl", "test.jsonl"):
        (planned.root / "data" / name).touch()
    asked = {command for page in pages.values() for command in page if command.startswith("snakemake ")}
    assert len(asked) > 8
    for command in sorted(asked):
        words = shlex.split(command)[1:]
        done = planned.snakemake(*words, *([] if {"-n", "--unlock"} & set(words) else ["-n"]))
        assert done.returncode == 0, (command, (done.stdout + done.stderr)[-1500:])


@pytest.mark.slow
def test_the_tutorial_works_as_written(repository, pages, tmp_path):
    """In its order, with its files; the first overlay also makes everything short."""
    text = (repository / "docs" / "tutorial.md").read_text(encoding="utf-8")
    checkout = _checkout(repository, tmp_path)
    for name, content in FILE.findall(text):
        target = checkout.root / name
        assert not target.exists(), f"{name} is edited, not added"
        if name == "config/first.yaml":
            content = yaml.safe_dump(deep_merge(SHORT, yaml.safe_load(content)), sort_keys=False)
        target.write_text(content)
    ran = [command for command in pages["docs/tutorial.md"] if not command.startswith(("make ", ". "))]
    for command in ran:
        done = _run(command, checkout)
        assert done.returncode == 0, (command, (done.stdout + done.stderr)[-2000:])
    assert (checkout.root / "curves.png").read_bytes().startswith(b"\x89PNG")
    report = (checkout.root / "results" / "first" / "report.html").read_text()
    assert "Anchor" in report and "4 runs trained" in report


@pytest.mark.slow
def test_the_commands_of_the_readme_run(repository, shared, pages, byte_checkpoint, tmp_path):
    """All that is not make or Snakemake. `doctor` finds no GPU here, and says so."""
    checkout = _checkout(repository, tmp_path)
    shutil.copytree(byte_checkpoint, checkout.root / "model")
    (checkout.root / "IN.jsonl").write_text('{"id": "p1", "response": "\\\\boxed{5}", "gold": "5"}\n')
    (checkout.root / "my.jsonl").write_text('{"id": "p1", "question": "Compute 2+3", "answer": "5"}\n')
    shutil.copytree(repository / "tests" / "objective", checkout.root / "tests" / "objective")
    for run in ("red", "grpo"):
        log = checkout.root / "results" / "tiny" / "runs" / run / "seed0" / "metrics.jsonl"
        log.parent.mkdir(parents=True)
        rows = [{"train/step": step, "entropy/rollout": 0.5, "red/w": 1.0} for step in range(3)]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = [command for page in ("README.md", "docs/index.md", "docs/evaluate.md") for command in pages[page]]
    ran = [command for command in dict.fromkeys(shown) if command.startswith(("python ", "red "))]
    assert len(ran) > 8
    for number, command in enumerate(ran):
        places = {"init DIR": f"init {tmp_path / 'study'}", "FOLDER": shared / "benchmarks", "OUT": f"out{number}"}
        for word, place in places.items():
            command = command.replace(word, str(place))
        done = _run(command, checkout)
        assert done.returncode == int("doctor" in command and "paper" in command), (command, done.stderr[-2000:])


def _checkout(repository: Path, folder: Path) -> Checkout:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return Checkout(copy(repository, folder / "project"), {"PATH": path, "OMP_NUM_THREADS": "1"})


def _run(command: str, checkout: Checkout) -> subprocess.CompletedProcess[str]:
    words = [PLACES.get(word, word) for word in shlex.split(command)]
    words = [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
    words += QUICK.get(words[3], "").split()
    environment = os.environ | checkout.environment
    return subprocess.run(words, cwd=checkout.root, capture_output=True, text=True, env=environment, timeout=3600)
