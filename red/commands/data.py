"""Make one data product: a model folder, training prompts, demonstrations, or a benchmark."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.errors import ConfigError
from red.plumbing.records import from_mapping
from red.plumbing.storage import argument, read_jsonl, write_atomic, write_json, write_jsonl

HELP = "make a base model, training prompts, demonstrations, or a benchmark"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-kind per product; `--spec` is a JSON object with at least the key "source"."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, text in (
        ("model", "folder of a model"),
        ("prompts", "training prompts (JSON lines)"),
        ("demonstrations", "teacher responses to the prompts (JSON lines, and a .json summary beside)"),
        ("benchmark", "problems of one benchmark (JSON lines)"),
    ):
        sub = kinds.add_parser(kind, help=text, description=text)
        sub.add_argument("--spec", required=True, help='JSON object, e.g. \'{"source": "embedded"}\'')
        sub.add_argument("--out", required=True, type=Path)
        if kind == "demonstrations":
            sub.add_argument("--prompts", required=True, type=Path)
            sub.add_argument("--model", type=Path, help="base model, for corruptions that sample from it")
        if kind == "benchmark":
            sub.add_argument("--name", required=True)


def run(options: argparse.Namespace) -> int:
    """Write the product; nothing is written if anything fails."""
    spec = _spec(options.spec)
    make = {"model": _model, "prompts": _prompts, "demonstrations": _demonstrations, "benchmark": _benchmark}
    make[options.kind](spec, options)
    return 0


def _spec(text: str) -> dict[str, Any]:
    return {"source": "embedded", **argument(text)}


def _model(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    if spec["source"] == "hub":
        from red.models.prepare import prepare

        prepare(spec, options.out)
        return
    if spec["source"] != "embedded":
        raise ConfigError(f"model.source: {spec['source']!r} is unknown; known: embedded, hub")
    from red.models import checkpoint
    from red.world import pretraining as embedded
    from red.world.spec import EmbeddedModel

    model_spec = from_mapping(EmbeddedModel, spec, "model")
    model, summary = embedded.pretrain(embedded.recipe(model_spec), model_spec.seed)
    checkpoint.save(model, options.out, {"pretraining.json": summary})


def _prompts(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.prompts import prompts

    result = prompts(spec)
    # The rendered form of evaluation needs the same system prompt as training.
    write_atomic(options.out.with_name("system.txt"), result.system)
    write_json(options.out.with_suffix(".json"), result.counts)
    write_jsonl(options.out, result.rows)


def _demonstrations(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.demonstrations import demonstrations

    rows = list(read_jsonl(options.prompts, required=("id", "question", "answer")))
    result = demonstrations(spec, rows, options.model)
    write_json(options.out.with_suffix(".json"), result.summary)
    write_jsonl(options.out, result.rows)


def _benchmark(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    if spec["source"] == "embedded":
        from red.world.benchmarks import rows

        write_jsonl(options.out, rows(options.name))
        return
    from red.evaluation.benchmarks import missing
    from red.evaluation.benchmarks import rows as catalog_rows

    write_jsonl(options.out, catalog_rows(options.name, spec))
    if reason := missing(options.out):
        print(f"{options.name} is missing: {reason}. Then delete {options.out} and start again", file=sys.stderr)
