"""Make one data product: a model folder, training prompts, demonstrations, what corrupts them, or a benchmark."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from red.commands import add_gpus
from red.errors import ConfigError
from red.escape import terminal
from red.plumbing.checksums import (
    folder_hash,
    input_hash,
    refuse_foreign,
    refuse_foreign_folder,
    refuse_inputs,
    refuse_inside,
)
from red.plumbing.provenance import spec_hash
from red.plumbing.records import converted, from_mapping, to_mapping
from red.plumbing.storage import argument, only_here, write_atomic, write_json, write_jsonl
from red.plumbing.terminal import number
from red.ranges import Count, Processes

HELP = "make a base model, training prompts, demonstrations, their corruption, or a benchmark"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-kind per product; `--spec` is a JSON object with at least the key "source"."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, text in (
        ("model", "folder of a model"),
        ("prompts", "training prompts (JSON lines)"),
        ("demonstrations", "teacher responses to the prompts (JSON lines, and a .json summary beside)"),
        ("wrong_responses", "wrong responses of the base model, for noisy labels of any rate (continues where it was)"),
        ("corruption", "demonstrations, corrupted (JSON lines, and a .json summary beside)"),
        ("redistilled", "right answers of a trained model as demonstrations (JSON lines, and a .json summary beside)"),
        ("benchmark", "problems of one benchmark (JSON lines)"),
    ):
        sub = kinds.add_parser(kind, help=text, description=text)
        sub.add_argument("--spec", required=True, help='JSON object, e.g. \'{"source": "embedded"}\'')
        sub.add_argument("--out", required=True, type=Path)
        if kind in ("model", "wrong_responses", "redistilled"):
            add_gpus(sub)
        if kind in ("demonstrations", "wrong_responses", "corruption", "redistilled"):
            sub.add_argument("--prompts", required=True, type=Path)
        if kind in ("wrong_responses", "corruption"):
            sub.add_argument("--demonstrations", required=True, type=Path, help="the clean ones")
        if kind in ("wrong_responses", "redistilled"):
            sub.add_argument("--model", required=True, type=Path, help="who answers")
            sub.add_argument("--workers", type=number(Processes), default=1, help="processes that grade")
        if kind == "corruption":
            sub.add_argument("--wrong-responses", type=Path, help="for noisy labels")
        if kind == "benchmark":
            sub.add_argument("--name", required=True)


def run(options: argparse.Namespace) -> int:
    """Write the product; nothing is written if anything fails, and nothing foreign is in its place."""
    inputs = [getattr(options, name, None) for name in ("prompts", "demonstrations", "wrong_responses", "model")]
    _check_out(options.kind, options.out, inputs)
    refuse_inside(options.out, [getattr(options, "model", None)])
    make = {
        "model": _model,
        "prompts": _prompts,
        "demonstrations": _demonstrations,
        "wrong_responses": _wrong_responses,
        "corruption": _corruption,
        "redistilled": _redistilled,
        "benchmark": _benchmark,
    }
    make[options.kind](_spec(options), options)
    return 0


def _check_out(kind: str, out: Path, inputs: Sequence[Path | None]) -> None:
    refuse_inputs(out, inputs)
    if kind == "model":
        return refuse_foreign_folder(out)
    refuse_foreign(out)
    if kind in ("prompts", "demonstrations", "corruption", "redistilled"):
        if out.suffix == ".json":
            raise ConfigError(f"--out {out}: a summary gets this name; end it in .jsonl")
        refuse_foreign(out.with_suffix(".json"))
    if kind == "prompts":
        refuse_foreign(out.with_name("system.txt"))


def _spec(options: argparse.Namespace) -> dict[str, Any]:
    defaults = {} if options.kind in ("wrong_responses", "corruption", "redistilled") else {"source": "embedded"}
    return {**defaults, **argument(options.spec)}


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
    model, summary = embedded.pretrain(embedded.recipe(model_spec), model_spec.seed or 0, model_spec.world)
    checkpoint.save(model, options.out, {"pretraining.json": summary})


def _prompts(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.prompts import prompts

    result = prompts(spec)
    for reason, message in result.refused.first.items():
        number = result.refused.counts[reason]
        more = f", with {number - 1} more like it" if number > 1 else ""
        print(f"{terminal(message)}; left out{more}", file=sys.stderr)
    # The rendered form of evaluation needs the same system prompt as training.
    write_atomic(options.out.with_name("system.txt"), result.system)
    write_json(options.out.with_suffix(".json"), result.counts)
    write_jsonl(options.out, result.rows)


def _prompt_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    from red.data.sources import read_prompts

    return read_prompts(options.prompts)


def _demonstrations(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.demonstrations import demonstrations
    from red.grading.reward import RewardJudge

    with RewardJudge() as judge:
        result = demonstrations(spec, _prompt_rows(options), judge)
    write_json(options.out.with_suffix(".json"), result.summary)
    write_jsonl(options.out, result.rows)


def _wrong_responses(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.sources import read_demonstrations
    from red.data.wrong_responses import WrongResponsesSpec, wrong_responses
    from red.grading.reward import RewardJudge
    from red.models.folder import check_files
    from red.plumbing.item_log import ItemLog

    search = from_mapping(WrongResponsesSpec, spec, "wrong_responses")
    rows, clean = _prompt_rows(options), read_demonstrations(options.demonstrations)
    files = {"prompts": input_hash(options.prompts), "demonstrations": input_hash(options.demonstrations)}
    # Without the rate: a larger one goes on where a smaller one stopped.
    check_files(options.model)
    made_from = {**to_mapping(replace(search, rate=0.0)), **files, "model": folder_hash(options.model)}
    state = options.out.parent / "state"
    with only_here(state / "wrong_responses.lock", "sampling"), RewardJudge(options.workers) as judge:
        log = ItemLog(state / f"wrong_responses.{spec_hash(made_from)}.jsonl", ("id",), ("response",))
        found = wrong_responses(search, rows, clean, options.model, judge, log)
        log.close()
        write_jsonl(options.out, found)


def _corruption(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.demonstrations import CorruptionSpec, corrupted
    from red.data.sources import read_demonstrations
    from red.grading.reward import RewardJudge

    wrong = None
    if options.wrong_responses:
        wrong = {row.id: row.response for row in read_demonstrations(options.wrong_responses)}
    settings = from_mapping(CorruptionSpec, spec, "demonstrations")
    clean = read_demonstrations(options.demonstrations)
    with RewardJudge() as judge:
        result = corrupted(settings, _prompt_rows(options), clean, wrong, judge)
    write_json(options.out.with_suffix(".json"), result.summary)
    write_jsonl(options.out, result.rows)


def _redistilled(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.data.redistilled import RedistillationSpec, redistilled
    from red.grading.reward import RewardJudge
    from red.models.folder import check_files
    from red.plumbing.item_log import ItemLog
    from red.sampling import open_backend

    settings = from_mapping(RedistillationSpec, spec, "redistilled")
    check_files(options.model)
    made_from = {**to_mapping(replace(settings, count=None)), "prompts": input_hash(options.prompts)}
    made_from["model"] = folder_hash(options.model)
    state = options.out.parent / "state"
    name = f"{options.out.stem}.{spec_hash(made_from)}"
    with only_here(state / f"{options.out.stem}.lock", "sampling"), RewardJudge(options.workers) as judge:
        log = ItemLog(state / f"{name}.jsonl", ("id",), ("response", "tokens", "ended"))
        backend = open_backend(settings.backend)
        try:
            result = redistilled(settings, _prompt_rows(options), options.model, judge, backend, log)
        finally:
            backend.close()
            log.close()
        write_json(options.out.with_suffix(".json"), result.summary)
        write_jsonl(options.out, result.rows)


def _benchmark(spec: Mapping[str, Any], options: argparse.Namespace) -> None:
    from red.seeds import limited

    limit = converted(Count | None, spec.get("limit"), "benchmark.limit")
    if "prompts" in spec:  # held out of the training prompts' own source
        from red.data.prompts import prompts

        kept = ("id", "question", "answer")
        whole = [{"options": None} | {key: row[key] for key in kept} for row in prompts(spec["prompts"]).rows]
        write_jsonl(options.out, limited(whole, (row["id"] for row in whole), limit))
        return
    if spec["source"] == "embedded":
        from red.world.benchmarks import rows

        whole = rows(options.name)
        write_jsonl(options.out, limited(whole, (row["id"] for row in whole), limit))
        return
    from red.evaluation.benchmarks import missing
    from red.evaluation.benchmarks import rows as catalog_rows

    write_jsonl(options.out, catalog_rows(options.name, spec))
    if reason := missing(options.out):
        said = f"{options.name} is missing: {reason}. Then delete {options.out} and start again"
        print(terminal(said), file=sys.stderr)
