"""Properties that must hold for any input: parsers, extractor, configuration, objective, state, model files."""

import copy
import math
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from faults.case import Attempt, Case
from faults.world import World, run_spec
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
from red.study import config, jobs
from red.training.spec import RunSpec
from red.training.state import load_state, save_state

KIND = "fuzzing"
EXAMPLES = 400
QUICK = 20

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["sft", "red", "sft@2", "1e-3", "", "../x", 0, 1, -1, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LATEX = st.lists(
    st.sampled_from(
        [
            "\\boxed{",
            "}",
            "{",
            "\\fbox{",
            "\\frac",
            "1",
            "2",
            "x",
            "^",
            "_",
            " ",
            "\\",
            "\\\\",
            "\\{",
            "\\}",
            "$",
            "</think>",
            "<think>",
            "\\text{",
            "=",
            "(",
            ")",
            "[",
            "]",
            ",",
            "\n",
            "%",
            "\\sqrt",
            "\\pi",
            "\\infty",
            "-",
            "!",
            "é",
            "\u2028",
            "٣",
            "．",
            "\\left(",
            "\\right)",
            "\\begin{pmatrix}",
            "\\end{pmatrix}",
            "&",
        ]
    )
    | st.text(max_size=3),
    max_size=60,
).map("".join)


def cases(seed: int, examples: int = EXAMPLES) -> list[Case]:
    """One per property; the test suite asks for fewer examples."""
    return [
        Case(f"any input: {name}", KIND, partial(_checked, check, seed, examples), quick=False)
        for name, check in PROPERTIES.items()
    ]


def _checked(check: Callable, number: int, examples: int, folder: Path, world: World) -> Attempt:
    def attempt() -> str:
        run = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            seed(number)(check)
        )
        with redirect_stderr(StringIO()):
            run(world=world) if check is _model else run()
        return f"{examples} examples"

    return attempt


def _refused_or(call: Callable[[], Any]) -> Any:
    """What a call returns, or None where it says in one line what is wrong; anything else is a finding."""
    try:
        return call()
    except RedError as error:
        assert len(one_line(error).splitlines()) == 1
        return None


@given(st.binary(max_size=80) | VALUES.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
def _json(content: bytes) -> None:
    value = _refused_or(lambda: parse_json(content, "file"))
    if value is not None:
        assert parse_json(dump_json(value).encode(), "again") == value


def _mutated(content: bytes, draw: st.DataObject) -> bytes:
    """Some bytes replaced, inserted or cut."""
    found = bytearray(content)
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, max(len(found) - 1, 0)))
        match draw.draw(st.sampled_from("ricd")):
            case "r" if found:
                found[place] = draw.draw(st.integers(0, 255))
            case "i":
                found[place:place] = draw.draw(st.binary(min_size=1, max_size=8))
            case "c":
                del found[place:]
            case "d":
                del found[place : place + draw.draw(st.integers(1, 30))]
    return bytes(found)


@given(st.data())
def _jsonl(draw: st.DataObject) -> None:
    content = _mutated(b"".join(b'{"id":"p%d","answer":"1"}\n' % i for i in range(4)), draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(content)
        rows = _refused_or(lambda: list(numbered_jsonl(path, ("id",))))
        assert rows is None or all("id" in row for _, row in rows)


@given(st.data())
def _yaml(draw: st.DataObject) -> None:
    content = _mutated((ROOT / "tests" / "workflow" / "minimal.yaml").read_bytes(), draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(content)
        assert isinstance(_refused_or(lambda: read_yaml(path)), (dict, type(None)))


@cache
def _small() -> dict[str, Any]:
    """A document that is checked quickly: few runs, every section."""
    document = read_yaml(ROOT / "config" / "default.yaml")
    kept = ("sft", "grpo", "red", "relift", "luffy_published", "luffy", "red_w_constant", "sft_grpo")
    return {
        **document,
        "runs": {run: document["runs"][run] for run in kept},
        "probes": {"confidence": {"runs": ["base"]}},
    }


def _places(value: Any, path: tuple = ()) -> list[tuple]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in below for place in _places(part, (*path, key)))]


@given(st.data())
def _config(draw: st.DataObject) -> None:
    """One to three values anywhere in the configuration replaced, added or removed."""
    document = copy.deepcopy(_small())
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.sampled_from([p for p in _places(document) if p] or [("runs",)]))
        owner: Any = document
        for key in place[:-1]:
            owner = owner[key]
        if isinstance(owner, dict) and draw.draw(st.booleans()):
            owner[draw.draw(st.sampled_from([place[-1], "steps", "weight", "like"]) | st.text(max_size=5))] = draw.draw(
                VALUES
            )
        else:
            owner[place[-1]] = draw.draw(VALUES)

    def checked() -> bool:
        found = config.select(document)
        config.check(found)
        jobs.check(found)
        return True

    if _refused_or(checked):
        for run, number in jobs.trained(document):
            spec = jobs.training_spec(document, run, number)
            assert to_mapping(from_mapping(RunSpec, parse_json(dump_json(spec).encode(), "spec"), "spec"))


@given(st.dictionaries(st.sampled_from([*RunSpec.__dataclass_fields__, "x"]), VALUES, max_size=6))
def _spec(changes: dict) -> None:
    whole = to_mapping(run_spec("red"))
    _refused_or(lambda: from_mapping(RunSpec, {**whole, **changes}, "spec"))
    _refused_or(lambda: from_mapping(RunSpec, changes, "spec"))
    _refused_or(lambda: run_spec("red", changes).build_method())


@given(LATEX)
def _extractor(text: str) -> None:
    found = last_box(text)
    assert found is None or "{" + found + "}" in text
    assert final_text(text) is None or text.endswith(final_text(text) or "")
    assert final_text(text + "</think>done") == "done"
    assert last_box(text + " \\boxed{42}") == "42" or text.endswith("\\")


@given(LATEX, LATEX)
def _grader(response: str, gold: str) -> None:
    """Only the cheap steps: what they leave open is settled by a process that can be killed."""
    assert isinstance(grade_math(response, gold), (Verdict, Undecided))
    assert isinstance(grade_math(f"\\boxed{{{response}}}", gold), (Verdict, Undecided))


@given(st.data())
def _objective(draw: st.DataObject) -> None:
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
    kinds = st.sampled_from(["none", "ratio_one", "ratio_self", "shift", "shift_through", "shape"])
    spec = ObjectiveSpec(
        rollout=draw.draw(
            st.sampled_from(
                [None, RolloutTerm(), RolloutTerm(clip_low=None, clip_high=None), RolloutTerm("logp_signed")]
            )
        ),
        demonstration=DemonstrationTerm(draw.draw(kinds)),
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


@given(st.data())
def _state(draw: st.DataObject) -> None:
    """Whatever happens to the newest state, a whole one is loaded, or none if nothing is left."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for step in (1, 2):
            save_state(folder, step, {"step": step, "weights": torch.full((8,), float(step))})
        newest = folder / "state-00000002.bin"
        before = newest.read_bytes()
        newest.write_bytes(_mutated(before, draw))
        found = load_state(folder)
        assert found is not None
        assert found["step"] == (2 if newest.read_bytes() == before else 1)


@given(st.data())
def _log(draw: st.DataObject) -> None:
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


@given(draw=st.data())
def _model(draw: st.DataObject, world: World) -> None:
    """A model folder with one damaged file loads or is refused in one line."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in world.base.iterdir():
            (folder / path.name).symlink_to(path)
        names = ["config.json", "tokenizer.json", "model.safetensors", "generation_config.json"]
        name = draw.draw(st.sampled_from(names))
        content = (world.base / name).read_bytes()
        head = 2000 if name == "model.safetensors" else len(content)  # the header is where names and shapes are
        damaged = _mutated(content[:head], draw) + content[head:]
        (folder / name).unlink()
        (folder / name).write_bytes(damaged)
        _refused_or(lambda: checkpoint.load(folder))


@given(st.text(max_size=60))
def _line(text: str) -> None:
    shown = one_line(DataError(text))
    assert shown.isprintable() and len(shown.splitlines()) <= 1
    assert isinstance(ConfigError(text), RedError)


PROPERTIES: dict[str, Callable] = {
    "JSON": _json,
    "JSON lines": _jsonl,
    "YAML": _yaml,
    "configuration": _config,
    "run spec": _spec,
    "extraction of boxes": _extractor,
    "cheap grading": _grader,
    "objective": _objective,
    "resume state": _state,
    "answer log": _log,
    "model folder": _model,
    "one-line errors": _line,
}
