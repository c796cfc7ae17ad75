"""Every document that is read, with any value anywhere: one line or success, never a traceback or a hang."""

import json
import os
from dataclasses import fields
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from red.data.demonstrations import CorruptionSpec
from red.data.sources import embedded, openr1
from red.data.wrong_responses import WrongResponsesSpec
from red.evaluation import catalog
from red.evaluation.spec import EvaluationSettings, GenerationSpec
from red.golden.check import check
from red.models import checkpoint
from red.objective.batch import Members
from red.objective.loss import plan
from red.objective.spec import ObjectiveSpec
from red.plumbing.provenance import ROOT
from red.plumbing.records import from_mapping, to_mapping
from red.plumbing.storage import argument, read_object
from red.probes.probe import Probe
from red.tables.reader import benchmarks_from, read_reported, runs_from
from red.training.guard import replay
from red.world.spec import EmbeddedModel
from tests.faults.fuzz import EXAMPLES, altered, folder, holds, mutated, refused_or
from tests.faults.test_readers import STATED
from tests.faults.test_tables import REPORTED
from tests.faults.world import BENCHMARK, ENTRY, GENERATION, World

pytestmark = pytest.mark.faults("fuzzing")
GOLDEN = read_object(ROOT / "tests" / "objective" / "golden_losses.json")
SPECS: tuple[tuple[type, dict[str, Any]], ...] = (
    (GenerationSpec, GENERATION),
    (EvaluationSettings, GENERATION["evaluation"]),
    (Probe, to_mapping(Probe("entropy", 8, 2, "plain", 64, 32))),
    (WrongResponsesSpec, to_mapping(WrongResponsesSpec())),
    (CorruptionSpec, to_mapping(CorruptionSpec())),
    (EmbeddedModel, to_mapping(EmbeddedModel())),
    (embedded.PromptsSpec, to_mapping(embedded.PromptsSpec())),
    (openr1.PromptsSpec, to_mapping(openr1.PromptsSpec("openr1", data_dir="x"))),
)


@pytest.fixture(autouse=True)
def examples(remark) -> None:
    """As many for each document."""
    remark(f"{EXAMPLES} examples")


@holds("specs of stages", draw=st.data())
def test_specs(draw: st.DataObject):
    kind, whole = draw.draw(st.sampled_from(SPECS))
    spec = refused_or(lambda: from_mapping(kind, altered(whole, draw, tuple(kind.__dataclass_fields__)), "spec"))
    assert spec is None or from_mapping(kind, to_mapping(spec), "again") == spec


@holds("entries of benchmarks", draw=st.data())
def test_entry(draw: st.DataObject):
    entry = altered(ENTRY, draw, tuple(catalog.Benchmark.__dataclass_fields__))
    refused_or(lambda: catalog.benchmark(draw.draw(st.sampled_from(("math500", "x"))), entry))


@holds("specs on the command line", text=st.text(max_size=30).filter(lambda text: "\0" not in text))
def test_argument(text: str):
    assert isinstance(refused_or(lambda: argument(text)), (dict, type(None)))


@holds("collected runs and benchmarks", draw=st.data())
def test_listed(draw: st.DataObject):
    runs, named = altered([STATED, {**STATED, "seed": 1}], draw), altered([BENCHMARK], draw)
    for run in refused_or(lambda: runs_from(runs, "runs.json")) or ():
        assert (run.rate, run.origins(), run.parent) is not None and run.label.isprintable()
    for benchmark in refused_or(lambda: benchmarks_from(named, "benchmarks.json")) or ():
        assert benchmark.heading.isprintable()


@holds("the paper's numbers", draw=st.data())
def test_reported(draw: st.DataObject):
    with folder() as place:
        (place / "reported.csv").write_bytes(mutated(REPORTED.read_bytes()[:2000], draw))
        refused_or(lambda: read_reported(place / "reported.csv"))


@holds("worked numbers", draw=st.data())
def test_golden(draw: st.DataObject):
    case = draw.draw(st.sampled_from(GOLDEN["cases"]))
    document = altered({**GOLDEN, "cases": [case]}, draw)
    if isinstance(document, dict):
        refused_or(lambda: check(document))


@holds("a saved update", draw=st.data())
def test_update(draw: st.DataObject, world: World):
    numbers = {"step": 1, "temperature": 1.0, "objective": to_mapping(ObjectiveSpec()), "pairs": [[[5, 6], [7, 8]]] * 2}
    verdicts, lengths, group = torch.tensor([1.0, 0.0]), torch.tensor([2.0, 2.0]), torch.tensor([0, 0])
    members = Members(group, torch.tensor([False, True]), verdicts, verdicts, lengths)
    whole = plan(members, ObjectiveSpec(), 1.0)
    numbers["plan"] = {
        f.name: v.tolist() if isinstance(v := getattr(whole, f.name), torch.Tensor) else v for f in fields(whole)
    }
    with folder() as place:
        (place / "update.json").write_text(json.dumps(altered(numbers, draw)))
        (place / "model").symlink_to(world.base)
        refused_or(lambda: list(replay(place)))


@holds("a model's config and tokenizer", draw=st.data())
def test_model(draw: st.DataObject, world: World):
    """Documents whose values are others; test_fuzz.py damages their bytes."""
    names = ("config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json")
    name = draw.draw(st.sampled_from(names))
    with folder() as place:
        for path in world.base.iterdir():
            os.link(path, place / path.name)
        document = json.loads((place / name).read_text())
        (place / name).unlink()
        keys = ("eos_token_id", "rope_scaling", "chat_template")
        (place / name).write_text(json.dumps(altered(document, draw, keys)))
        found = refused_or(lambda: checkpoint.load(place))
        if found is not None:
            refused_or(lambda: found.codec.prompt("1 + 1", None, "plain", None, "x"))
            refused_or(lambda: found.codec.template_hash("chat"))
