import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from red.errors import DataError
from red.evaluation.generate import generate
from red.evaluation.protected import letters_only
from red.evaluation.spec import EvaluationSettings, GenerationSpec
from red.plumbing.storage import read_json, read_jsonl, write_jsonl
from red.sampling import open_backend
from red.sampling.base import Request, Sampling
from red.sampling.response import Response
from red.world import benchmarks as world

ENTRY = {"source": "embedded", "grader": "math", "metric": "avg_at_k", "group": "math"}
SPEC = GenerationSpec(
    template="plain",
    evaluation=EvaluationSettings(backend="local", temperature=0.6, max_new_tokens=24),
    benchmarks={"aime24": {**ENTRY, "samples": 4}, "math500": {**ENTRY, "samples": 2}},
    run="base",
    limit=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Benchmark files of the tiny world."""
    path = tmp_path_factory.mktemp("benchmarks")
    for name in ("aime24", "math500", "minerva"):
        write_jsonl(path / f"{name}.jsonl", world.rows(name))
    return path


END = 1  # of the checkpoints that `make_checkpoint` writes


class CountingBackend:
    """Answers with the seed of the request, stops after `patience` answers, remembers what was asked."""

    name = "counting"

    def __init__(self, patience: int = 10**9) -> None:
        self.asked: list[Request] = []
        self.patience, self.loads, self.closed = patience, 0, False

    def load(self, checkpoint: Path) -> None:
        self.loads += 1

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, Response]]:
        for index in reversed(range(len(requests))):
            if len(self.asked) == self.patience:
                raise KeyboardInterrupt
            self.asked.append(requests[index])
            digits = [int(digit) + 10 for digit in str(requests[index].seed)]
            yield index, Response([*digits, END], "stop")

    def close(self) -> None:
        self.closed = True


def answers(out: Path, name: str) -> list[dict]:
    return list(read_jsonl(out / f"{name}.generations.jsonl"))


def test_answers_come_in_the_order_of_problems_and_samples(make_checkpoint, folder, tmp_path):
    generate([(make_checkpoint(0), tmp_path / "out")], SPEC, folder, lambda name: CountingBackend(), letters_only)
    found = answers(tmp_path / "out", "aime24")
    ids = [row["id"] for row in read_jsonl(folder / "aime24.jsonl")][:20]
    assert [(row["id"], row["index"]) for row in found] == [(id, index) for id in ids for index in range(4)]


def test_seeds_count_up_from_a_base_per_problem(make_checkpoint, folder, tmp_path):
    generate([(make_checkpoint(0), tmp_path / "out")], SPEC, folder, lambda name: CountingBackend(), letters_only)
    found = answers(tmp_path / "out", "aime24")
    assert [row["seed"] - found[0]["seed"] for row in found[:4]] == [0, 1, 2, 3]
    assert len({row["seed"] for row in found}) == len(found)


def test_another_run_or_seed_or_evaluation_seed_draws_other_answers(make_checkpoint, folder, tmp_path):
    settings = replace(SPEC.evaluation, seed=1)
    specs = [SPEC, replace(SPEC, run="red"), replace(SPEC, seed=1), replace(SPEC, evaluation=settings)]
    checkpoint, first = make_checkpoint(0), []
    for number, spec in enumerate(specs):
        generate([(checkpoint, tmp_path / str(number))], spec, folder, lambda name: CountingBackend(), letters_only)
        first.append(answers(tmp_path / str(number), "aime24")[0]["seed"])
    assert len(set(first)) == len(specs)


def test_an_interrupted_run_asks_only_for_what_is_missing(make_checkpoint, folder, tmp_path):
    job = [(make_checkpoint(0), tmp_path / "out")]
    first, second = CountingBackend(patience=50), CountingBackend()
    with pytest.raises(KeyboardInterrupt):
        generate(job, SPEC, folder, lambda name: first, letters_only)
    assert not list((tmp_path / "out").glob("*.jsonl"))
    generate(job, SPEC, folder, lambda name: second, letters_only)
    assert len(first.asked) == 50 and len(second.asked) == 20 * 4 + 20 * 2 - 50
    assert not {r.seed for r in first.asked} & {r.seed for r in second.asked}
    assert first.closed


def test_a_finished_evaluation_starts_no_backend(make_checkpoint, folder, tmp_path):
    job = [(make_checkpoint(0), tmp_path / "out")]
    generate(job, SPEC, folder, lambda name: CountingBackend(), letters_only)
    (tmp_path / "out" / "aime24.generations.jsonl").unlink()
    generate(job, SPEC, folder, lambda name: pytest.fail("nothing is missing"), letters_only)
    assert len(answers(tmp_path / "out", "aime24")) == 80


def test_a_benchmark_added_later_reuses_the_others(make_checkpoint, folder, tmp_path):
    job, backend = [(make_checkpoint(0), tmp_path / "out")], CountingBackend()
    generate(job, SPEC, folder, lambda name: CountingBackend(), letters_only)
    more = replace(SPEC, benchmarks={**SPEC.benchmarks, "minerva": {**ENTRY, "samples": 1}})
    generate(job, more, folder, lambda name: backend, letters_only)
    assert len(backend.asked) == 20


def test_more_samples_keep_the_old_ones_and_the_finished_file_stays_whole(make_checkpoint, folder, tmp_path):
    job, backend = [(make_checkpoint(0), tmp_path / "out")], CountingBackend()
    generate(job, SPEC, folder, lambda name: CountingBackend(), letters_only)
    old = answers(tmp_path / "out", "math500")
    more = replace(SPEC, benchmarks={**SPEC.benchmarks, "math500": {**ENTRY, "samples": 3}})
    generate(job, more, folder, lambda name: backend, letters_only)
    assert len(backend.asked) == 20
    assert [row for row in answers(tmp_path / "out", "math500") if row["index"] < 2] == old


def test_fewer_samples_need_no_new_answers(make_checkpoint, folder, tmp_path):
    job = [(make_checkpoint(0), tmp_path / "out")]
    generate(job, SPEC, folder, lambda name: CountingBackend(), letters_only)
    less = replace(SPEC, benchmarks={"aime24": {**ENTRY, "samples": 1}})
    generate(job, less, folder, lambda name: pytest.fail("nothing is missing"), letters_only)
    assert len(answers(tmp_path / "out", "aime24")) == 20


def test_a_changed_problem_is_answered_again(make_checkpoint, folder, tmp_path):
    own = tmp_path / "benchmarks"
    rows = list(read_jsonl(folder / "aime24.jsonl"))
    write_jsonl(own / "aime24.jsonl", rows)
    job, backend = [(make_checkpoint(0), tmp_path / "out")], CountingBackend()
    spec = replace(SPEC, benchmarks={"aime24": SPEC.benchmarks["aime24"]})
    generate(job, spec, own, lambda name: CountingBackend(), letters_only)
    write_jsonl(own / "aime24.jsonl", [{**rows[0], "question": rows[1]["question"]}, *rows[1:]])
    generate(job, spec, own, lambda name: backend, letters_only)
    assert len(backend.asked) == 4
    generate(job, spec, own, lambda name: pytest.fail("nothing is missing"), letters_only)


def test_another_checkpoint_or_temperature_is_answered_anew(make_checkpoint, folder, tmp_path):
    hot = replace(SPEC, evaluation=replace(SPEC.evaluation, temperature=1.0))
    generate([(make_checkpoint(0), tmp_path / "out")], SPEC, folder, lambda name: CountingBackend(), letters_only)
    for checkpoint, spec in ((make_checkpoint(1), SPEC), (make_checkpoint(0), hot)):
        backend = CountingBackend()
        generate([(checkpoint, tmp_path / "out")], spec, folder, lambda name, b=backend: b, letters_only)
        assert len(backend.asked) == 120


def test_several_checkpoints_share_one_backend(make_checkpoint, folder, tmp_path):
    opened = []

    def opening(name: str) -> CountingBackend:
        opened.append(CountingBackend())
        return opened[-1]

    jobs = [(make_checkpoint(seed), tmp_path / str(seed)) for seed in range(3)]
    generate(jobs, SPEC, folder, opening, letters_only)
    assert len(opened) == 1 and opened[0].loads == 3


def test_the_description_says_how_the_answers_were_made(make_checkpoint, folder, tmp_path):
    generate([(make_checkpoint(0), tmp_path / "out")], SPEC, folder, lambda name: CountingBackend(), letters_only)
    found = read_json(tmp_path / "out" / "aime24.json")
    assert (found["samples"], found["temperature"], found["template"]) == (4, 0.6, "plain")
    assert len(found["checkpoint_hash"]) == len(found["template_hash"]) == 64


def test_prompts_beyond_the_window_are_refused_before_anything_runs(make_checkpoint, folder, tmp_path):
    long = replace(SPEC, evaluation=replace(SPEC.evaluation, max_new_tokens=250))
    with pytest.raises(DataError, match="aime24: .* needs .* tokens, .* reads 256"):
        generate([(make_checkpoint(0), tmp_path / "out")], long, folder, lambda name: CountingBackend(), letters_only)


def test_a_second_process_waits_for_the_first_one(make_checkpoint, folder, tmp_path, capfd):
    import fcntl
    from threading import Timer

    jobs = [(make_checkpoint(0), tmp_path / "out")]
    (tmp_path / "out/state").mkdir(parents=True)
    with (tmp_path / "out/state/lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        Timer(0.3, fcntl.flock, (stream, fcntl.LOCK_UN)).start()
        generate(jobs, SPEC, folder, lambda name: CountingBackend(), letters_only)
    assert "another process is generating here; waiting" in capfd.readouterr().err
    assert len(answers(tmp_path / "out", "aime24")) == 80


def test_a_response_that_continues_a_thought_gets_its_opening_back(byte_checkpoint, folder, tmp_path):
    spec = replace(SPEC, template="think", limit=1)
    generate([(byte_checkpoint, tmp_path / "out")], spec, folder, lambda name: CountingBackend(), letters_only)
    assert answers(tmp_path / "out", "aime24")[0]["response"].startswith("<think>\n")


def test_local_answers_depend_on_their_own_seed_only(make_checkpoint, folder, tmp_path):
    """Each answer can be drawn again alone, with the sampler and nothing but its line."""
    from red.models.checkpoint import load
    from red.sampling.sampler import sample

    checkpoint = make_checkpoint(0)
    generate([(checkpoint, tmp_path / "out")], SPEC, folder, open_backend, letters_only)
    import torch

    from red.text.template import render

    model = load(checkpoint)
    questions = {row["id"]: row["question"] for row in read_jsonl(folder / "aime24.jsonl")}
    for row in answers(tmp_path / "out", "aime24")[3:70:9]:
        prompt = model.tokenizer.encode(render(questions[row["id"]], None, "plain")).ids
        numbers = torch.rand(24, generator=torch.Generator().manual_seed(row["seed"]))
        ((drawn,),) = sample(
            model.model,
            [prompt],
            samples=1,
            max_new_tokens=24,
            stop_ids=(model.eos_id,),
            temperature=0.6,
            uniform=numbers.view(1, 1, -1),
        )
        assert model.tokenizer.decode(drawn.text_tokens, skip_special_tokens=False) == row["response"]
        assert (len(drawn.tokens), drawn.finish_reason) == (row["tokens"], row["finish_reason"])


def test_the_local_backend_refuses_top_p(make_checkpoint, folder, tmp_path):
    spec = replace(SPEC, evaluation=replace(SPEC.evaluation, top_p=0.9))
    with pytest.raises(ValueError, match="top_p"):
        generate([(make_checkpoint(0), tmp_path / "out")], spec, folder, open_backend, letters_only)


# Kills a generating process ten times at random moments, each some time after its first new answer. Forking
# a process that has torch loaded already makes an attempt cost no start-up time.
KILLER = """
import json, os, random, signal, sys, time
import torch
from pathlib import Path
from red.sampling import local, open_backend
from red.evaluation.protected import letters_only
from red.evaluation.generate import generate
from red.evaluation.spec import GenerationSpec
from red.plumbing.records import from_mapping

local.ROWS = 32
checkpoint, folder, out = map(Path, sys.argv[1:4])
spec = from_mapping(GenerationSpec, json.loads(sys.argv[4]), "spec")
torch.set_num_threads(1)
random.seed(int(sys.argv[5]))

def child():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            generate([(checkpoint, out)], spec, folder, open_backend, letters_only)
            status = 0
        finally:
            os._exit(status)
    return pid

def lines():
    return sum(f.read_bytes().count(b"\\n") for f in (out / "state").glob("*.jsonl"))

seen = []
for attempt in range(10):
    before, pid = lines(), child()
    while lines() == before and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    seen.append([f.read_bytes().decode().split("\\n")[:-1] for f in sorted((out / "state").glob("*.jsonl"))])
assert os.waitstatus_to_exitcode(os.waitpid(child(), 0)[1]) == 0
print(json.dumps(seen))
"""


def test_ten_kills_lose_no_finished_answer_and_repeat_none(make_checkpoint, folder, tmp_path):
    entries = {"aime24": {**ENTRY, "samples": 32}, "minerva": {**ENTRY, "samples": 4}}
    settings = {"backend": "local", "temperature": 0.6, "max_new_tokens": 40}
    spec = {"template": "plain", "evaluation": settings, "benchmarks": entries}
    out = tmp_path / "out"
    paths = [str(path) for path in (make_checkpoint(0), folder, out)]
    command = [sys.executable, "-c", KILLER, *paths, json.dumps(spec), "7"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    attempts = [Counter(line for log in logs for line in log) for logs in json.loads(done.stdout)]
    final = Counter(
        line for name in entries for line in (out / f"{name}.generations.jsonl").read_text().split("\n")[:-1]
    )
    counts = [sum(lines.values()) for lines in attempts]
    assert counts == sorted(counts) and 0 < counts[0] < counts[-1] < 30 * 32 + 200 * 4
    assert all(lines <= final for lines in attempts)
    assert len({(row["id"], row["index"]) for row in map(json.loads, final)}) == 30 * 32 + 200 * 4
    assert final.total() == 30 * 32 + 200 * 4
