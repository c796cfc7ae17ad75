"""`red generate`: answers of one or more checkpoints to all benchmarks, from one start of the backend."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from red.commands import add_gpus

HELP = "answer benchmarks with one or more checkpoints; continues from OUT/state"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `generate` passes. `--checkpoint` and `--out` may be repeated together."""
    parser.add_argument("--spec", required=True, help="run, seed, template, evaluation and benchmarks, JSON")
    parser.add_argument("--checkpoint", required=True, type=Path, action="append", help="model folder")
    parser.add_argument("--benchmarks", required=True, type=Path, help="folder of <benchmark>.jsonl")
    parser.add_argument("--system", type=Path, help="file with the training data's system prompt (or empty)")
    add_gpus(parser, "each answers a share of the prompts; ")
    parser.add_argument("--code", default="", help="fingerprint of the code, kept in the provenance")
    parser.add_argument("--out", required=True, type=Path, action="append", help="folder of the answers")


def run(options: argparse.Namespace) -> int:
    """Generate, then write one provenance file per output folder."""
    from red.errors import ConfigError
    from red.evaluation.generate import generate
    from red.evaluation.spec import GenerationSpec
    from red.models.folder import check_files
    from red.plumbing.checksums import refuse_inside
    from red.plumbing.provenance import Start, hashes, write_provenance
    from red.plumbing.records import from_mapping, to_mapping
    from red.plumbing.storage import argument, read_text
    from red.sampling import open_backend
    from red.sampling.spread import Spread, devices

    started = Start()
    if len(options.checkpoint) != len(options.out):
        checkpoints = len(options.checkpoint)
        raise ConfigError(f"--out: one per --checkpoint ({checkpoints}), found {len(options.out)}")
    for out in options.out:
        refuse_inside(out, options.checkpoint)
    if len({out.resolve() for out in options.out}) < len(options.out):
        raise ConfigError("--out: one folder is there twice; each checkpoint's answers need their own")
    document = argument(options.spec)
    system = read_text(options.system) if options.system else ""
    spec = from_mapping(GenerationSpec, {**document, "system": system or None}, "spec")
    jobs = list(zip(options.checkpoint, options.out, strict=True))
    opened = open_backend
    if options.gpus > 1:
        gpus = devices(options.gpus)
        opened = lambda name: Spread(partial(open_backend, name), gpus)  # noqa: E731
    benchmarks = hashes(options.benchmarks / f"{name}.jsonl" for name in spec.benchmarks)
    for checkpoint in options.checkpoint:
        check_files(checkpoint)
    inputs = [hashes([checkpoint]) | benchmarks for checkpoint in options.checkpoint]
    generate(jobs, spec, options.benchmarks, opened, _letters_only)
    for own, out in zip(inputs, options.out, strict=True):
        write_provenance(
            out / "provenance.json", to_mapping(spec), options.code, own, started, checkpoints_in_this_process=len(jobs)
        )
    return 0


def _letters_only(response: str, options: Sequence[str]) -> str:
    """Imported for the first protected answer: no other answer depends on the grader."""
    from red.evaluation.protected import letters_only

    return letters_only(response, options)
