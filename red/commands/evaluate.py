"""`red evaluate`: one model, some benchmarks, a table, without the workflow."""

import argparse
from dataclasses import fields
from pathlib import Path

from red.commands import add_json
from red.plumbing.terminal import number
from red.ranges import Processes

HELP = "generate, grade and score one model on benchmarks; prints a table"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Everything has a default except the model, the output folder, and benchmarks or problems."""
    parser.add_argument("--model", required=True, type=Path, help="model folder (Hugging Face layout)")
    parser.add_argument("--benchmarks", default="", help="names from the catalog, separated by commas")
    parser.add_argument(
        "--problems",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="problems of your own: lines of JSON with id, question, answer, perhaps options (repeat for more files)",
    )
    parser.add_argument("--out", required=True, type=Path, help="folder; a second call continues there")
    parser.add_argument("--data-dir", type=Path, help="folder with local copies; without it, from the hub")
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        help="take benchmarks, template and sampling from a configuration (repeat for an overlay)",
    )
    parser.add_argument("--backend", choices=("local", "vllm"), help="default: vllm where it is installed")
    parser.add_argument("--samples", type=int, help="responses per problem, for every benchmark")
    parser.add_argument("--limit", type=int, help="first problems of each benchmark only")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--template", help="plain, think, qwen_boxed or chat")
    parser.add_argument("--seed", type=int, help="base seed of all samples")
    parser.add_argument("--workers", type=number(Processes), help="grading processes (default: usable cores)")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Generate what is missing, grade, score, show."""
    from red.errors import ConfigError
    from red.evaluation import presentation, standalone
    from red.study.config import load

    if not (options.model / "config.json").is_file():
        raise ConfigError(f"--model {options.model}: no config.json here; name a folder in the layout of Hugging Face")
    if not options.config and options.template is None and (options.model / "pretraining.json").is_file():
        raise ConfigError(
            f"{options.model}: a model of the tiny world; give its configuration, --config config/default.yaml"
        )
    values = {field.name: getattr(options, field.name) for field in fields(standalone.Options)}
    values["config"] = load(*options.config) if options.config else {}
    standalone.evaluate(standalone.Options(**values), presentation.show_json if options.json else presentation.show)
    return 0
