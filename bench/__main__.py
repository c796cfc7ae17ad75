"""python -m bench [ROW...] [--repeats N] [--case NAME] [--world DIR] [--list | --table]

python -m bench gpu [--tiny] [--out FOLDER]: the rows of a GPU, within 8 minutes
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import gpu, report
from bench import world as tiny
from bench.compare import REPOSITORY, compare
from bench.row import Row, load, names
from red.plumbing.partials import overwrite
from red.plumbing.storage import read_object, readable_json

RESULTS = Path(__file__).parent / "results"
GPU = "gpu"
WORLDS = (REPOSITORY / "results" / "tiny", REPOSITORY / "bench" / ".world")


def main() -> int:
    """Run the rows, one file of results each, and write the table from all files there are."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(names())}; none: all; gpu: a GPU's")
    parser.add_argument("--repeats", type=int, default=5, help="turns per case")
    parser.add_argument("--case", help="only this case of the rows")
    parser.add_argument("--world", type=Path, help="folder with models and data of the tiny world")
    parser.add_argument("--list", action="store_true", help="show rows and cases")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--tiny", action="store_true", help="try the rows of a GPU on a CPU; measures nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the files of results")
    options = parser.parse_args()
    rows = {name: load(name)[0] for name in names()}
    unknown = sorted(set(options.rows) - {*rows, GPU})
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows)}, and {GPU} for those of a GPU")
    if options.tiny and options.out == RESULTS:
        parser.error("--tiny measures nothing: give --out another folder")
    chosen = {name: row for name, row in rows.items() if not options.rows or is_named(name, row, options.rows)}
    if options.list:
        for name, row in chosen.items():
            print(f"{name}: {row.title}", *(f"  {case.name}" for case in row.cases), sep="\n")
        return 0
    if not options.table:
        fill(chosen, options)
    if options.out == RESULTS:
        report.write(RESULTS, rows)
    return 0


def is_named(name: str, row: Row, asked: list[str]) -> bool:
    """Whether it is among the rows that were asked for."""
    return name in asked or (GPU in asked and row.on_gpu)


def fill(chosen: Mapping[str, Row], options: argparse.Namespace) -> None:
    """Measure the rows, those of a GPU in one process if there is one."""
    options.out.mkdir(parents=True, exist_ok=True)
    if on_gpu := {name: row for name, row in chosen.items() if row.on_gpu}:
        if options.tiny or has_cuda():
            gpu.measure(on_gpu, options.out, machine(), options.repeats, options.tiny, say)
        else:
            say(f"{', '.join(on_gpu)}: no GPU here")
    if on_cpu := {name: row for name, row in chosen.items() if not row.on_gpu}:
        world = options.world.resolve() if options.world else ready_world()
        for name, row in on_cpu.items():
            run(name, row, world, options)


def run(name: str, row: Row, world: Path, options: argparse.Namespace) -> None:
    """Measure one row and store it."""
    cases = [case for case in row.cases if options.case in (None, case.name)]
    results = compare(name, row, cases, world, options.repeats, say) | {"machine": machine()}
    path = options.out / f"{name}.json"
    if options.case and path.exists():
        others = [case for case in read_object(path)["cases"] if case["name"] != options.case]
        order = [case.name for case in row.cases]
        results["cases"] = sorted(results["cases"] + others, key=lambda case: order.index(case["name"]))
    overwrite(path, readable_json(results).encode())


def ready_world() -> Path:
    """The reproduction's tiny world if it is there, or one made once for the bench (minutes)."""
    for world in WORLDS:
        if (world / "data" / "demonstrations" / "clean.jsonl").exists() and tiny.base(world).exists():
            return world
    world, red = WORLDS[-1], [sys.executable, "-m", "red", "data"]
    say(f"making a tiny world in {world}")
    prompts, base = world / "data" / "prompts.jsonl", world / "models" / "base"
    for command in (
        ["prompts", "--spec", '{"count": 3000, "seed": 1}', "--out", prompts],
        ["model", "--spec", '{"size": "base", "seed": 0}', "--out", base],
        [
            "demonstrations",
            "--spec",
            '{"seed": 1}',
            "--prompts",
            prompts,
            "--out",
            world / "data" / "demonstrations" / "clean.jsonl",
        ],
    ):
        subprocess.run([*red, *map(str, command)], check=True, cwd=REPOSITORY)
    return world


def machine() -> dict[str, str | int]:
    """Where the numbers come from."""
    model = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    return {
        "processor": model,
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def has_cuda() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
