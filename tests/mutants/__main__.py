"""`python -m tests.mutants [FILE ...]`: change the mathematics one operator or number at a time; the tests must notice.

Cosmic Ray makes the mutants, in a copy of the project; each is tried by a forked child that runs the guard tests until
the first failure. results.json keeps the figures by file, ../MUTANTS.md shows them. A survivor needs a reason in
survivors.yaml; exit status 1 if one has none.
"""

import argparse
import ast
import difflib
import hashlib
import json
import math
import os
import resource
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from shutil import copytree

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS, REASONS, PAGE = HERE / "results.json", HERE / "survivors.yaml", HERE.parent / "MUTANTS.md"
COPIED = ("red", "tests", "config", "docs", "analysis", "README.md", "pyproject.toml")
FILES = (
    "red/objective/*.py",
    "red/methods/*.py",
    "red/models/singular.py",
    "red/training/measures.py",
    "red/training/schedule.py",
    "red/training/weight.py",
)
# Part of the default suite. Tests of the mutated module's name come first, most mutants end there.
TESTS = ("tests/methods", "tests/objective", "tests/models/test_singular.py", "tests/training")
# A mutant that needs so many times the tests' own seconds never ends. Of the processor: a busy machine kills no mutant.
PATIENCE = 5
# Two replacements per arithmetic operator. The others (<<, |, ... on floats) raise, and would only flatter the figures.
OPERATORS = (
    "AddNot",
    "NumberReplacer",
    "RemoveDecorator",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue",
    "ZeroIterationForLoop",
    "ReplaceUnaryOperator_Delete_Invert",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    *(
        f"ReplaceBinaryOperator_{one}_{other}"
        for one, others in {
            "Add": ("Sub", "Mul"),
            "Sub": ("Add", "Mul"),
            "Mul": ("Div", "Add"),
            "Div": ("Mul", "Sub"),
            "FloorDiv": ("Div", "Mul"),
            "Mod": ("Mul", "Add"),
            "Pow": ("Mul", "Div"),
            "BitAnd": ("BitOr",),
            "BitOr": ("BitAnd",),
        }.items()
        for other in others
    ),
    *(
        f"ReplaceComparisonOperator_{one}_{other}"
        for one in ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")
        for other in ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")
        if one != other
    ),
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
)


@dataclass(frozen=True)
class Mutant:
    """A whole changed file; `was` and `becomes` are the lines that differ."""

    code: str
    was: str
    becomes: str


@dataclass
class Room:
    """The figures of one file."""

    mutants: int = 0
    killed: int = 0
    code: str = ""  # the file's hash
    survivors: list[dict[str, str]] = field(default_factory=list)


def mutants(code: str) -> Iterator[Mutant]:
    """Every mutant of a file. None is a change of annotations alone, what Python cannot read, and a text that is put
    in order (`kind <= "ratio"`): names have none, and whether that is `==` hangs on the alphabet."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    seen = {_meaning(code)}
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        for occurrence in count():
            changed = mutate_code(code, operator, occurrence)
            if changed is None:
                break
            try:
                meaning = _meaning(changed)
            except SyntaxError:
                continue
            if meaning in seen or _orders_texts(changed):
                continue
            seen.add(meaning)
            lines = [line for line in difflib.ndiff(code.splitlines(), changed.splitlines()) if line[0] in "-+"]
            was, becomes = (" ".join(line[1:].strip() for line in lines if line[0] == sign).strip() for sign in "-+")
            yield Mutant(changed, was, becomes)


def _meaning(code: str) -> str:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for part in ("annotation", "returns"):
            if getattr(node, part, None) is not None:
                setattr(node, part, ast.Constant(0))
    return ast.dump(tree)


def _orders_texts(code: str) -> bool:
    return any(
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
        and any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in node.comparators)
        for node in ast.walk(ast.parse(code))
    )


@dataclass(frozen=True)
class Guard:
    """Tests, where they write, and the seconds of the processor that they may take; None: all."""

    tests: Sequence[str]
    basetemp: Path
    seconds: int | None = None


def timed(tests: Sequence[str], basetemp: Path) -> Guard:
    """The tests with their limit, from a run without a mutant."""
    passed, seconds = attempt(Guard(tests, basetemp))
    if not passed:
        raise SystemExit(f"{' '.join(tests)}: fail without a mutant")
    return Guard(tests, basetemp, math.ceil(PATIENCE * seconds))


def attempt(guard: Guard) -> tuple[bool, float]:
    """Whether all tests pass in time, in a child that imports the project anew; seconds of the processor."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        if guard.seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (guard.seconds, guard.seconds))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={guard.basetemp}"]
        os._exit(int(pytest.main([*options, *guard.tests])))
    _, status, usage = os.wait4(child, 0)
    return status == 0, usage.ru_utime + usage.ru_stime


def nearest(file: str) -> list[str]:
    """The tests that look at a module first, the quickest in front."""
    named = [str(path) for path in Path("tests").glob(f"*/test_{Path(file).stem}.py")]
    worked = ["tests/objective/test_golden.py"]
    return [*named, *worked, "tests/methods" if "methods" in file else "tests/methods/test_literals.py"]


def try_all(file: str, whole: Guard, last: Room | None = None, reasons: Collection[tuple[str, str, str]] = ()) -> Room:
    """Each mutant of a file takes its place, here, in the copy.

    If it is the `last` file still, only its survivors, and of them only those without a reason.
    """
    path = Path(file)
    original = path.read_text()
    room = Room(code=hashlib.sha256(original.encode()).hexdigest())
    again = last.survivors if last and last.code == room.code else None
    near = timed(nearest(file), whole.basetemp)
    for mutant in mutants(original):
        room.mutants += 1
        one = {"was": mutant.was, "becomes": mutant.becomes}
        was_killed = again is not None and one not in again
        is_explained = again is not None and (file, mutant.was, mutant.becomes) in reasons
        path.write_text(mutant.code)
        if was_killed or not (is_explained or attempt(near)[0] and attempt(whole)[0]):
            room.killed += 1
        else:
            room.survivors.append(one)
            print(f"{file}: {mutant.was}  ->  {mutant.becomes}", flush=True)
    path.write_text(original)
    return room


def page(rooms: dict[str, Room], reasons: dict[tuple[str, str, str], str], untried: Sequence[str]) -> str:
    """MUTANTS.md."""
    total = Room(sum(r.mutants for r in rooms.values()), sum(r.killed for r in rooms.values()))
    lines = [
        "# Mutants of the mathematics",
        "",
        "Written by `make mutants` (`tests/mutants`): Cosmic Ray changes one operator, comparison, number, truth value",
        "or decorator at a time, in functions and in the constants of methods alike. Killed is a mutant that a test of",
        "the default suite notices. Cosmic Ray changes no texts: a name such as `shift` is guarded by the table of",
        "constants (`tests/methods/test_constants.py`); nor are names put in order (`kind <= 'ratio'`).",
        "Each line is of the code that the file had when it was tried; `tests/mutants/results.json` has its hash.",
        "",
        f"**{total.killed} of {total.mutants} killed, {100 * total.killed / max(total.mutants, 1):.1f} %.**",
        "",
        *([f"Not tried yet: {', '.join(f'`{file}`' for file in untried)}.", ""] if untried else []),
        "| file | mutants | killed | survived |",
        "|---|---|---|---|",
        *(f"| `{file}` | {r.mutants} | {r.killed} | {len(r.survivors)} |" for file, r in sorted(rooms.items())),
        "",
        "## Survivors",
        "",
        "| file | was | becomes | why no test can or should notice |",
        "|---|---|---|---|",
    ]
    for file, room in sorted(rooms.items()):
        for one in room.survivors:
            reason = reasons.get((file, one["was"], one["becomes"]), "**none**")
            cells = [f"`{file}`", *(f"`{one[key].replace('|', chr(92) + '|')}`" for key in ("was", "becomes")), reason]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Try the named files, or all; keep what is known of the others."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="of those that are mutated; all by default")
    parser.add_argument(
        "--survivors", action="store_true", help="only those without a reason, where the file is the same"
    )
    options = parser.parse_args()
    every = sorted(str(path.relative_to(ROOT)) for pattern in FILES for path in ROOT.glob(pattern))
    rooms = {f: Room(**r) for f, r in json.loads(RESULTS.read_text()).items()} if RESULTS.exists() else {}
    rooms = {file: room for file, room in rooms.items() if file in every}
    reasons = {(r["file"], r["was"], r["becomes"]): r["reason"] for r in yaml.safe_load(REASONS.read_text()) or []}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                copytree(source, copy / name, ignore=lambda _, names: [n for n in names if n == "__pycache__"])
            else:
                (copy / name).write_bytes(source.read_bytes())
        os.chdir(copy)
        _start_like_a_test(copy)
        whole = timed(TESTS, Path(folder, "pytest"))
        for file in options.files or every:
            rooms[file] = try_all(file, whole, rooms.get(file) if options.survivors else None, reasons.keys())
            print(f"{file}: {rooms[file].killed} of {rooms[file].mutants} killed", flush=True)
            RESULTS.write_text(json.dumps({f: asdict(r) for f, r in sorted(rooms.items())}, indent=1) + "\n")
    PAGE.write_text(page(rooms, reasons, [file for file in every if file not in rooms]))
    unexplained = [(f, s) for f, r in rooms.items() for s in r.survivors if (f, s["was"], s["becomes"]) not in reasons]
    print(f"{sum(r.killed for r in rooms.values())} of {sum(r.mutants for r in rooms.values())} killed; {PAGE}")
    for file, one in unexplained:
        print(f"no reason for {file}: {one['was']}  ->  {one['becomes']}")
    return int(bool(unexplained))


def _start_like_a_test(copy: Path) -> None:
    """What every child would import, imported once: but nothing of the project, which changes."""
    import hypothesis.strategies  # noqa: F401
    import jsonschema  # noqa: F401
    import safetensors.torch  # noqa: F401
    import tokenizers  # noqa: F401
    import torch

    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(copy), *(p for p in sys.path if Path(p).resolve() not in (ROOT, Path()))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("red", "analysis", "tests")]:
        if name != __name__:
            del sys.modules[name]


if __name__ == "__main__":
    sys.exit(main())
