"""Evaluating several checkpoints with vLLM: one engine start, or one each."""

import tempfile
from pathlib import Path

from bench.row import Bar, Case, Done, Row, Run, Setting, Side

ROW = Row(
    title="Evaluating 3 checkpoints with vLLM, from the start of the process to the last answer",
    work="checkpoints",
    sides=(
        Side("ours", "peers", "one `red generate`: the weights of each checkpoint are put into one engine"),
        Side("starts", "peers", "one `red generate`, and one engine, per checkpoint"),
    ),
    cases=(Case("64 answers each", {"checkpoints": 3, "answers": 64}, 2),),
    bars=(Bar("starts", "time", 2.0),),
    notes="`python bench/serving.py` does the same for any number of checkpoints and compares the answers. The "
    "limit is the number of checkpoints: the start of the engine is nearly all of the time.",
)


def prepare(setting: Setting) -> Run:
    """A run answers the prompts with every checkpoint, in fresh processes."""
    from bench import serving
    from red.plumbing.storage import write_jsonl
    from red.world import benchmarks

    root, answers = Path(tempfile.mkdtemp()), setting.size["answers"]
    write_jsonl(root / "benchmarks" / f"{serving.BENCHMARK}.jsonl", benchmarks.rows(serving.BENCHMARK))
    models = [serving.make_checkpoint(root / f"model{seed}", seed) for seed in range(setting.size["checkpoints"])]
    turns = iter(range(10**6))

    def run() -> Done:
        out = root / f"turn{next(turns)}"
        jobs = [(model, out / model.name) for model in models]
        shares = [jobs] if setting.side == "ours" else [[job] for job in jobs]
        spent = [serving.seconds(root, share, answers) for share in shares]
        return Done(len(models), seconds=sum(wall for wall, _ in spent), cpu_seconds=sum(cpu for _, cpu in spent))

    return run
