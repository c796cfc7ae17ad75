"""`red probe`: token probabilities and entropies on fixed prompts."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from red.commands import add_gpus

if TYPE_CHECKING:
    from red.probes.reader import Reader

MODELS = ("parent", "base", "sft", "large")
HELP = "measure entropies or token probabilities of a checkpoint on fixed prompts"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `probe` passes."""
    parser.add_argument("--spec", required=True, help="probe spec, JSON")
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help=f"another model to measure: {', '.join(MODELS)}",
    )
    parser.add_argument("--prompts", required=True, type=Path)
    parser.add_argument("--demonstrations", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="parquet file")
    add_gpus(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, write one parquet file, atomically, and print its means; what is finished survives an interruption."""
    import torch

    from red.errors import ConfigError
    from red.escape import terminal
    from red.grading.reward import RewardJudge
    from red.models.folder import check_files
    from red.plumbing.checksums import folder_hash, input_hash, refuse_foreign, refuse_inputs, refuse_inside
    from red.plumbing.item_log import ItemLog
    from red.plumbing.provenance import spec_hash
    from red.plumbing.records import from_mapping, to_mapping
    from red.plumbing.storage import argument, only_here
    from red.probes.probe import KEY, Probe, measure
    from red.probes.row import write
    from red.probes.summary import summary

    probe = from_mapping(Probe, argument(options.spec), "spec")
    refuse_foreign(options.out)
    if probe.backend == "local":
        torch.set_num_threads(1)  # repeatable bit for bit
    folders: dict[str, str] = {}
    for pair in options.model:
        name, _, folder = pair.partition("=")
        if name not in MODELS or not folder or name in folders:
            raise ConfigError(f"--model {pair}: give NAME=DIR, each of {', '.join(MODELS)} at most once")
        folders[name] = folder
    if probe.probe == "entropy" and "parent" not in folders:
        raise ConfigError("--model: give parent=DIR, the model that the training started from")
    others = {name: Path(folder) for name, folder in folders.items()}
    refuse_inputs(options.out, (options.prompts, options.demonstrations))
    refuse_inside(options.out, (options.checkpoint, *others.values()))
    for folder in (*others.values(), options.checkpoint):
        check_files(folder)
    models = {name: folder_hash(folder) for name, folder in {**others, "": options.checkpoint}.items()}
    files = {"prompts": input_hash(options.prompts), "demonstrations": input_hash(options.demonstrations)}
    name = f"{probe.probe}.{spec_hash({**to_mapping(probe), **files, 'models': models})}.jsonl"
    state = options.out.parent / "state"
    with only_here(state / f"{probe.probe}.lock", "measuring"), RewardJudge() as judge:
        log, reader = ItemLog(state / name, KEY), _reader(probe.backend)
        try:
            files_read = options.prompts, options.demonstrations
            write(measure(probe, options.checkpoint, others, *files_read, judge, reader, log), options.out)
        finally:
            reader.close()
            log.close()
        log.path.unlink()
    for text, value in summary(options.out):
        print(f"{value:10.4f}  {terminal(text)}")
    return 0


def _reader(backend: str) -> "Reader":
    """The project's own model in float32 where it samples, too; elsewhere transformers computes the passes."""
    if backend == "local":
        from red.probes.local import LocalReader

        return LocalReader()
    from red.probes.large import LargeReader

    return LargeReader(backend)
