"""Cost of evaluating K checkpoints with vLLM: one engine start with weights swapped in place, or K starts.

    python bench/serving.py [--checkpoints 4] [--answers 64]

Makes K tiny checkpoints, answers the same prompts greedily both ways in fresh processes, checks that
both ways give the same answers, and prints wall and processor times and their ratios as JSON. On a machine
shared with other work, compare the processor times.
"""

import argparse
import filecmp
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from red.models.checkpoint import Checkpoint, hugging_face_config, save
from red.models.qwen2 import Qwen2, Shape, initialize
from red.plumbing.storage import dump_json, write_jsonl
from red.text.codec import Codec
from red.world import benchmarks, vocabulary

BENCHMARK = "math500"
HEAD_SIZE = 32  # the smallest that vLLM computes on a CPU


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=int, default=4)
    parser.add_argument("--answers", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_jsonl(root / "benchmarks" / f"{BENCHMARK}.jsonl", benchmarks.rows(BENCHMARK))
        checkpoints = [make_checkpoint(root / f"model{seed}", seed) for seed in range(options.checkpoints)]
        together = [root / "together" / c.name for c in checkpoints]
        apart = [root / "apart" / c.name for c in checkpoints]
        one = seconds(root, list(zip(checkpoints, together, strict=True)), options.answers)
        each = [seconds(root, [job], options.answers) for job in zip(checkpoints, apart, strict=True)]
        name = f"{BENCHMARK}.generations.jsonl"
        pairs = list(zip(together, apart, strict=True))
        equal = all(filecmp.cmp(a / name, b / name, shallow=False) for a, b in pairs)
        distinct = len({(out / name).read_bytes() for out in together})
    wall, processor = (sum(part) for part in zip(*each, strict=True))
    figures = {
        "checkpoints": options.checkpoints,
        "one_start": {"wall_s": round(one[0], 1), "processor_s": round(one[1], 1)},
        "separate_starts": {"wall_s": round(wall, 1), "processor_s": round(processor, 1)},
        "ratio": {"wall": round(wall / one[0], 2), "processor": round(processor / one[1], 2)},
        "answers_equal": equal,
        "checkpoints_with_other_answers": distinct,
    }
    print(json.dumps(figures))


def make_checkpoint(path: Path, seed: int) -> Path:
    """A random Qwen2 over the tiny world's vocabulary, with tied embeddings."""
    shape = Shape(
        vocab_size=len(vocabulary.VOCABULARY),
        hidden_size=2 * HEAD_SIZE,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=HEAD_SIZE,
        max_position_embeddings=256,
    )
    model = Qwen2(shape)
    initialize(model, torch.Generator().manual_seed(seed))
    checkpoint = Checkpoint(
        model=model,
        codec=Codec(vocabulary.tokenizer(), (vocabulary.EOS_ID,)),
        config=hugging_face_config(shape, vocabulary.EOS_ID, vocabulary.PAD_ID),
        generation_config={"eos_token_id": vocabulary.EOS_ID},
        tokenizer_config=vocabulary.tokenizer_config(shape.max_position_embeddings),
    )
    save(checkpoint, path)
    return path


def seconds(root: Path, jobs: list[tuple[Path, Path]], answers: int) -> tuple[float, float]:
    """Wall and processor time of one `red generate` with its engine, for these (checkpoint, out) pairs."""
    spec = {
        "template": "plain",
        "limit": answers,
        "evaluation": {"backend": "vllm", "temperature": 0.0, "max_new_tokens": 64},
        "benchmarks": {
            BENCHMARK: {"source": "embedded", "grader": "math", "metric": "pass_at_1", "samples": 1, "group": "math"}
        },
    }
    command = [
        sys.executable,
        "-m",
        "red",
        "generate",
        "--spec",
        dump_json(spec),
        "--benchmarks",
        str(root / "benchmarks"),
    ]
    for checkpoint, out in jobs:
        command += ["--checkpoint", str(checkpoint), "--out", str(out)]
    started, used = time.perf_counter(), processor_seconds()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started, processor_seconds() - used


def processor_seconds() -> float:
    """User and system time of all ended children and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
