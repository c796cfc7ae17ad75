"""Properties that must hold for any input: parsers, extractor, configuration, objective, state, model files."""

import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from red.errors import ConfigError, DataError, RedError, one_line
from red.evaluation.answers import AnswerLog
from red.grading.extract import final_text, last_box
from red.grading.math import grade_math
from red.grading.verdict import Undecided, Verdict
from red.models import checkpoint
from red.objective.batch import Batch, Members
from red.objective.loss import objective
from red.objective.loss import plan as plan_of
from red.objective.spec import NLL, Aggregation, DemonstrationTerm, ObjectiveSpec, RolloutTerm
from red.plumbing.documents import read_yaml
from red.plumbing.provenance import ROOT
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import dump_json, numbered_jsonl, parse_json
from red.study import config, jobs, runs
from red.training.spec import RunSpec
from red.training.state import load_state, save_state
from tests.faults.fuzz import EXAMPLES, VALUES, altered, holds, mutated, refused_or
from tests.faults.world import World, run_spec

pytestmark = pytest.mark.faults("fuzzing")

PIECES = (
    r"\boxed{ } { \fbox{ \frac 1 2 x ^ _ \ \\ \{ \} $ </think> <think> \text{ = ( ) [ ] , "
    r"% \sqrt \pi \infty - ! é ٣ ． \left( \right) \begin{pmatrix} \end{pmatrix} &"
)
LATEX = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\u2028"]) | st.text(max_size=3), max_size=60).map(
    "".join
)


@pytest.fixture(autouse=True)
def examples(remark) -> None:
    """As many for each property."""
    remark(f"{EXAMPLES} examples")


@holds("JSON", content=st.binary(max_size=80) | VALUES.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
def test_json(content: bytes):
    value = refused_or(lambda: parse_json(content, "file"))
    if value is not None:
        assert parse_json(dump_json(value).encode(), "again") == value


@holds("JSON lines", draw=st.data())
def test_jsonl(draw: st.DataObject):
    content = mutated(b"".join(b'{"id":"p%d","answer":"1"}\n' % i for i in range(4)), draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(content)
        rows = refused_or(lambda: list(numbered_jsonl(path, ("id",))))
        assert rows is None or all("id" in row for _, row in rows)


@holds("YAML", draw=st.data())
def test_yaml(draw: st.DataObject):
    content = mutated((ROOT / "tests" / "workflow" / "minimal.yaml").read_bytes(), draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(content)
        assert isinstance(refused_or(lambda: read_yaml(path)), (dict, type(None)))


@cache
def small_document() -> dict[str, Any]:
    """A document that is checked quickly: few runs, every section."""
    document = read_yaml(ROOT / "config" / "default.yaml")
    kept = ("sft", "grpo", "red", "relift", "luffy_published", "luffy", "red_w_constant", "sft_grpo")
    return {
        **document,
        "runs": {run: document["runs"][run] for run in kept},
        "probes": {"confidence": {"runs": ["base"], "prompts": 8, "samples": 2}},
    }


@holds("configuration", draw=st.data())
def test_config(draw: st.DataObject):
    """One to three values anywhere in the configuration replaced, added or removed."""
    document = altered(small_document(), draw, ("steps", "weight", "like"))

    def checked() -> bool:
        selected = config.select(document)
        config.check(selected)
        jobs.check(selected)
        return True

    if refused_or(checked):
        for run, number in jobs.trained(document):
            spec = jobs.training_spec(runs.run_spec(document, run, number))
            assert to_mapping(from_mapping(RunSpec, parse_json(dump_json(spec).encode(), "spec"), "spec"))


@holds("run spec", changes=st.dictionaries(st.sampled_from([*RunSpec.__dataclass_fields__, "x"]), VALUES, max_size=6))
def test_spec(changes: dict):
    whole = to_mapping(run_spec("red"))
    refused_or(lambda: from_mapping(RunSpec, {**whole, **changes}, "spec"))
    refused_or(lambda: from_mapping(RunSpec, changes, "spec"))
    refused_or(lambda: run_spec("red", changes).build_method())


@holds("extraction of boxes", text=LATEX)
def test_extractor(text: str):
    box = last_box(text)
    assert box is None or "{" + box + "}" in text
    assert final_text(text) is None or text.endswith(final_text(text) or "")
    assert final_text(text + "</think>done") == "done"
    assert last_box(text + " \\boxed{42}") == "42" or text.endswith("\\")


@holds("cheap grading", response=LATEX, gold=LATEX)
def test_grader(response: str, gold: str):
    """Only the cheap steps: what they leave open is settled by a process that can be killed."""
    assert isinstance(grade_math(response, gold), (Verdict, Undecided))
    assert isinstance(grade_math(f"\\boxed{{{response}}}", gold), (Verdict, Undecided))


@holds("objective", draw=st.data())
def test_objective(draw: st.DataObject):
    """Losses and gradients are finite, and a partition adds up, whatever the step holds."""
    groups, members = draw.draw(st.integers(1, 3)), draw.draw(st.integers(1, 4))
    count, length = groups * members, draw.draw(st.integers(1, 5))
    numbers = st.sampled_from([0.0, -1e-6, -0.5, -3.0, -40.0, -800.0])
    logp = torch.tensor(
        draw.draw(st.lists(st.lists(numbers, min_size=length, max_size=length), min_size=count, max_size=count)),
        dtype=torch.float64,
        requires_grad=True,
    )
    lengths = torch.tensor(draw.draw(st.lists(st.integers(1, length), min_size=count, max_size=count)))
    mask = (torch.arange(length)[None] < lengths[:, None]).double()
    verdicts = torch.tensor(draw.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=count, max_size=count)))
    demonstration = torch.tensor(draw.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    group = torch.arange(groups).repeat_interleave(members)
    known = Members(group, demonstration, verdicts.double(), verdicts.double(), lengths.double())
    spec = ObjectiveSpec(
        rollout=draw.draw(
            st.sampled_from(
                [None, RolloutTerm(), RolloutTerm(clip_low=None, clip_high=None), RolloutTerm("logp_signed")]
            )
        ),
        demonstration=DemonstrationTerm(
            draw.draw(st.sampled_from(["none", "ratio_one", "ratio_self", "shift", "shift_through", "shape"]))
        ),
        nll=NLL(draw.draw(st.sampled_from([0.0, 0.5]))),
        aggregation=Aggregation(draw.draw(st.sampled_from(["seq_mean", "token_mean", "const"])), 8.0),
        filter=draw.draw(st.sampled_from(["none", "accuracy_variance"])),
        gate=draw.draw(st.sampled_from([None, 0.0, 0.5])),
    )
    whole = plan_of(known, spec, draw.draw(st.sampled_from([0.0, 1.0, 8.0])))
    batch = Batch(logp, logp.detach().clone(), torch.ones(count, length).double(), mask)
    loss = objective(batch, spec, whole)
    assert all(math.isfinite(value) for value in loss.values().values()), loss
    (gradient,) = torch.autograd.grad(loss.total, logp, allow_unused=True)
    assert gradient is None or gradient.isfinite().all()
    parts = [torch.tensor([i % 2 == part for i in range(count)]) for part in (0, 1)]
    total = sum(objective(batch.rows(part), spec, whole.rows(part)).total.item() for part in parts)
    assert math.isclose(total, loss.total.item(), rel_tol=1e-9, abs_tol=1e-9)


@holds("resume state", draw=st.data())
def test_state(draw: st.DataObject):
    """Whatever happens to the newest state, a whole one is loaded, or none if nothing is left."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for step in (1, 2):
            save_state(folder, step, {"step": step, "weights": torch.full((8,), float(step))})
        newest = folder / "state-00000002.bin"
        before = newest.read_bytes()
        newest.write_bytes(mutated(before, draw))
        state = load_state(folder)
        assert state is not None
        assert state["step"] == (2 if newest.read_bytes() == before else 1)


@holds("answer log", draw=st.data())
def test_log(draw: st.DataObject):
    """A log cut anywhere keeps every whole line."""
    row = {"index": 0, "response": "é\n\u2028", "tokens": 1, "finish_reason": "stop", "seed": 1, "prompt_hash": "x"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        log = AnswerLog(path)
        for number in range(4):
            log.add({**row, "id": f"p{number}"})
        log.close()
        content = path.read_bytes()
        cut = draw.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        again = AnswerLog(path)
        assert len(again.rows) == content[:cut].count(b"\n")
        again.add({**row, "id": "p9"})
        again.close()
        assert len(AnswerLog(path).rows) == content[:cut].count(b"\n") + 1


@holds("model folder", draw=st.data())
def test_model(draw: st.DataObject, world: World):
    """A model folder with one damaged file loads or is refused in one line."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in world.base.iterdir():
            (folder / path.name).symlink_to(path)
        names = ["config.json", "tokenizer.json", "model.safetensors", "generation_config.json"]
        name = draw.draw(st.sampled_from(names))
        content = (world.base / name).read_bytes()
        head = 2000 if name == "model.safetensors" else len(content)  # the header is where names and shapes are
        damaged = mutated(content[:head], draw) + content[head:]
        (folder / name).unlink()
        (folder / name).write_bytes(damaged)
        refused_or(lambda: checkpoint.load(folder))


@holds("one-line errors", text=st.text(max_size=60))
def test_line(text: str):
    line = one_line(DataError(text))
    assert line.isprintable() and len(line.splitlines()) <= 1
    assert isinstance(ConfigError(text), RedError)
