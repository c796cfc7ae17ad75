"""Stands in for `python` in the rules: writes what each command promises, in no time.

    stub.py -m red train ...      as `python -m red train ...`

Every call is appended to $STUB_CALLS. With $STUB_DIE=<run> the training of that run is killed once, half-way.
"""

import json
import os
import signal
import sys
from pathlib import Path

ENDINGS = {"table": ("html", "csv", "tex", "md", "json"), "figure": ("html", "svg", "pdf", "png", "csv", "json")}


def main(arguments: list[str]) -> None:
    """Dispatch on the module and the command."""
    module, command, *rest = arguments[1:]
    if module == "analysis.report":
        return _lines(Path(rest[rest.index("--out") + 1]))
    options = dict(zip(rest[::2], rest[1::2], strict=False)) if module == "analysis" else _options(rest)
    with open(os.environ["STUB_CALLS"], "a", encoding="utf-8") as calls:
        calls.write(f"{command} {options.get('--out', options.get('--evaluation', ''))}\n")
    if module == "analysis":
        analyse(command, Path(options["--out"]))
    else:
        globals()[command](options)


def data(options: dict[str, str]) -> None:
    """A model folder or a file of lines, and what lies beside some of them."""
    out = Path(options["--out"])
    if options["kind"] == "model":
        _folder(out)
    else:
        _lines(out)
    if options["kind"] == "prompts":
        out.with_name("system.txt").write_text("")
    if options["kind"] in ("prompts", "demonstrations", "corruption"):
        _lines(out.with_suffix(".json"))


def train(options: dict[str, str]) -> None:
    """Half of the lines, then perhaps death; a second call goes on from there."""
    spec, out = json.loads(options["--spec"]), Path(options["--out"])
    assert Path(options["--parent"], "config.json").is_file(), options["--parent"]
    state = out / "state" / "metrics.jsonl"
    state.parent.mkdir(parents=True, exist_ok=True)
    first = not state.exists()
    for half in range(0 if first else 1, 2):
        print(f"half {half}", flush=True)
        with state.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"train/step": half, "red/w": 1.0}) + "\n")
        if first and os.environ.get("STUB_DIE") == spec["run"]:
            os.kill(os.getpid(), signal.SIGKILL)
    (out / "snapshots").mkdir(exist_ok=True)
    for step in spec["snapshots"]:
        _folder(out / "snapshots" / f"step{step}")
    _folder(out / "checkpoint")
    (out / "metrics.jsonl").write_bytes(state.read_bytes())
    _write(out / "provenance.json", {"spec_hash": "s", "code": options["--code"], "steps": 2})


def derive(options: dict[str, str]) -> None:
    """A model folder, if those that it is made of are there."""
    for name in ("--of", "--donor"):
        assert Path(options.get(name, options["--of"]), "config.json").is_file(), options.get(name)
    _folder(Path(options["--out"]) / "checkpoint")
    _lines(Path(options["--out"]) / "provenance.json")


def generate(options: dict[str, str]) -> None:
    """One line per benchmark."""
    out = Path(options["--out"])
    for name in json.loads(options["--spec"])["benchmarks"]:
        _lines(out / f"{name}.generations.jsonl")
    _write(out / "provenance.json", {"spec_hash": "s", "code": options["--code"]})


def grade(options: dict[str, str]) -> None:
    """One verdict per benchmark."""
    row = {"id": "p", "index": 0, "correct": True, "correct_lenient": True, "reason": "", "tokens": 1}
    for name in json.loads(options["--spec"])["benchmarks"]:
        _write(Path(options["--evaluation"]) / f"{name}.grades.jsonl", row | {"truncated": False})


def probe(options: dict[str, str]) -> None:
    """Something that is not empty."""
    _lines(Path(options["--out"]))


def rotation(options: dict[str, str]) -> None:
    """The same, if both models are there."""
    assert all(Path(options[name], "config.json").is_file() for name in ("--checkpoint", "--start"))
    _lines(Path(options["--out"]))


def collect(options: dict[str, str]) -> None:
    """The four files."""
    for name in ("scores.parquet", "dynamics.parquet", "probes.parquet", "runs.json", "benchmarks.json"):
        _lines(Path(options["--out"]) / name)


def export(options: dict[str, str]) -> None:
    """One file."""
    _lines(Path(options["--out"]))


def analyse(item: str, out: Path) -> None:
    """Every ending of an item; which ones are declared is the workflow's business."""
    for kind, endings in ENDINGS.items():
        for ending in endings:
            _lines(out / f"{kind}s" / f"{item}.{ending}")


def _options(words: list[str]) -> dict[str, str]:
    found = {"kind": words[0]} if words and not words[0].startswith("--") else {}
    rest = words[1:] if found else words
    return found | dict(zip(rest[::2], rest[1::2], strict=True))


def _folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text("{}\n")


def _lines(path: Path) -> None:
    _write(path, {"made": "by the stub"})


def _write(path: Path, row: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
