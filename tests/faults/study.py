"""The results of a finished run, every kind of file among them, and the commands that make them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from red.evaluation import benchmarks
from red.evaluation.answers import AnswerLog
from red.plumbing.storage import read_jsonl, write_json, write_jsonl
from red.tables.collect import _dynamics, _probes, _scores, find
from red.tables.probed import Attendance, Order
from red.training.metrics_log import append
from red.training.state import save_state
from tests.faults.case import succeed
from tests.faults.world import BENCHMARK, World, grade, run_spec

ENTRY = {"run": "fault", "method": "sft", "seed": 3, "scale": "tiny", "steps": 2, "label": "Fault", "items": []}
SPEC = {"runs": [ENTRY], "benchmarks": [BENCHMARK], "probes": {"entropy": {"runs": ["fault"], "prompts": 2}}}
PROBE = {"probe": "entropy", "prompts": 2, "samples": 1, "template": "plain", "max_prompt_tokens": 64}
PROBE |= {"max_new_tokens": 40, "step": 2}
DERIVED = {"run": "made", "seed": 3, "scale": "tiny", "of": "fault", "step": 2, "kind": "vectors", "donor": "base"}
WHERE = Path("fault", "seed3")
PROBLEMS = "data/benchmarks/math500.jsonl"


@dataclass(frozen=True)
class Study:
    """The results of a finished run, and in `log` what grows while one is made."""

    results: Path
    world: World

    @property
    def run(self) -> Path:
        """Folder of the training."""
        return self.results / "runs" / WHERE

    @property
    def evaluation(self) -> Path:
        """Folder of the answers."""
        return self.results / "evaluations" / WHERE

    @property
    def log(self) -> Path:
        """Folder of metrics, states and answers that grow."""
        return self.results / "log"

    def collected(self) -> Any:
        """What `red collect` makes of the files."""
        run = find(ENTRY, SPEC, self.results)
        ids = [problem.id for problem in benchmarks.read(self.results / PROBLEMS)]
        probe = run.probes["entropy"]
        probed = Attendance("entropy", Order(("fault",), 2)).taken(probe, 2, _probes(run, probe))
        made = (_scores(run, BENCHMARK, ids), _dynamics(run, self.run), probed)
        return run.line(), [[batch.to_pylist() for batch in batches] for batches in made]

    def grade(self, evaluation: Path) -> list[str]:
        """Arguments of `red grade`."""
        return grade(evaluation, self.results / "data" / "benchmarks")

    def probe(self, out: Path) -> list[str]:
        """Arguments of `red probe`."""
        data = self.results / "data"
        texts = ["--prompts", f"{data / 'prompts.jsonl'}", "--demonstrations", f"{data / 'demonstrations.jsonl'}"]
        models = ["--checkpoint", f"{self.run / 'checkpoint'}", "--model", f"parent={self.world.base}"]
        return ["probe", "--spec", json.dumps(PROBE), *models, *texts, "--out", str(out)]

    def derive(self, out: Path) -> list[str]:
        """Arguments of `red derive`."""
        models = ["--of", str(self.run / "checkpoint"), "--donor", str(self.world.base)]
        return ["derive", "--spec", json.dumps(DERIVED), *models, "--out", str(out)]

    def collect(self, out: Path) -> list[str]:
        """Arguments of `red collect`."""
        return ["collect", "--spec", json.dumps(SPEC), "--results", str(self.results), "--out", str(out)]


def make(results: Path, world: World) -> Study:
    """Trains, answers, grades, probes and collects."""
    study, data = Study(results, world), results / "data"
    few = list(read_jsonl(world.benchmarks / "math500.jsonl"))[:3]
    write_jsonl(data / "benchmarks" / "math500.jsonl", few)
    succeed(["data", "prompts", "--spec", '{"count": 6}', "--out", data / "prompts.jsonl"])
    prompts = ["--prompts", data / "prompts.jsonl"]
    succeed(["data", "demonstrations", "--spec", "{}", *prompts, "--out", data / "demonstrations.jsonl"])
    succeed(world.train(study.run, run_spec("sft", steps=2)))
    succeed(world.generate(study.evaluation, study.run / "checkpoint", data / "benchmarks"))
    succeed(study.grade(study.evaluation))
    succeed(study.probe(results / "probes" / WHERE / "entropy.parquet"))
    succeed(study.derive(results / "derived" / "made" / "seed3"))
    succeed(study.collect(results / "collected"))
    study.log.mkdir()
    for step in range(3):
        append(study.log / "metrics.jsonl", {"train/step": step, "loss/total": 0.125 * step})
        save_state(study.log, step + 1, {"step": step + 1, "cursor": 4 * step, "totals": [0.5] * 8})
    log = AnswerLog(study.log / "answers.jsonl")
    for row in read_jsonl(study.evaluation / "math500.generations.jsonl"):
        log.add(row)
    log.close()
    write_json(study.log / "identity.json", {"spec": "a", "code": "b"})
    return study
