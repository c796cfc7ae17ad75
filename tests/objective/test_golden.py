"""Worked numbers: loss, terms, advantages and gradients, and the schedules, to 1e-10.

`golden_losses.json` was computed by another program from the equations; it is written down, not made here.
"""

import copy
import json
from pathlib import Path

import pytest

from red.__main__ import main
from red.errors import DataError
from red.golden.check import SCHEMA, check, difference
from red.golden.losses import loss

FILE = Path(__file__).with_name("golden_losses.json")
MORE = Path(__file__).with_name("golden_more.json")


@pytest.fixture(scope="module")
def document():
    return json.loads(FILE.read_text())


def test_every_golden_case_holds(document):
    results = check(document)
    assert len(results) == len(document["cases"]) == 43
    assert [r for r in results if r.problem] == []


def test_every_further_case_holds():
    results = check(json.loads(MORE.read_text()))
    assert len(results) == 29
    assert [r for r in results if r.problem] == []


def test_the_command_accepts_the_file_that_the_readme_names(repository, capsys):
    name = FILE.relative_to(repository)
    assert f"python -m red golden {name}" in (repository / "README.md").read_text()
    assert main(["golden", str(repository / name)]) == 0
    assert "loss            28 passed   0 failed" in capsys.readouterr().out


def test_a_changed_number_is_found_in_every_kind(document):
    changed = copy.deepcopy(document)
    for case in changed["cases"]:
        _nudge_first_number(case["expected"])
    assert all(r.problem for r in check(changed))


def _reversed(case):
    """The sequences from the last to the first."""
    case["inputs"]["sequences"].reverse()
    expected = case["expected"]
    for value in (expected["advantage"], expected["grad_logp"], *expected["terms"].values()):
        if isinstance(value, list):
            value.reverse()


def _with_named_groups(case):
    for sequence in case["inputs"]["sequences"]:
        sequence["group"] = f"problem {sequence['group']}"
    terms = case["expected"]["terms"]
    if "P" in terms:
        terms["P"] = {f"problem {group}": value for group, value in terms["P"].items()}


def _without_what_says_nothing(case):
    """Neutral values, and those that stand for none."""
    neutral = {"prefix_weight": 1.0, "old_logp": None}
    for sequence in case["inputs"]["sequences"]:
        said = any(sequence.get("prefix_mask", ()))
        for name in [name for name, value in neutral.items() if name in sequence and sequence[name] == value]:
            del sequence[name]
        if not said:
            sequence.pop("prefix_mask", None)
        if all(sequence["mask"]):
            del sequence["mask"]
    neutral = {"w": 1.0, "adv_eps": 1e-6, "r_group_over": "online", "clip_low": None, "clip_high": None, "std": False}
    case["config"] = {k: v for k, v in case["config"].items() if k not in neutral or v != neutral[k]}


def _with_nulls(case):
    for sequence in case["inputs"]["sequences"]:
        for name in ("prefix_mask", "prefix_weight", "teacher_logp"):
            sequence.setdefault(name)
    for name in ("agg_L", "clip_low", "clip_high", "filter"):
        case["config"].setdefault(name)


def _with_whole_numbers(case):
    for sequence in case["inputs"]["sequences"]:
        sequence["acc"], sequence["mask"] = int(sequence["acc"]), [int(one) for one in sequence["mask"]]


def _without_padding(case):
    """Each sequence as long as its response."""
    terms, sequences = case["expected"]["terms"], case["inputs"]["sequences"]
    ends = [max(t + 1 for t, one in enumerate(s["mask"]) if one) for s in sequences]
    for sequence, end in zip(sequences, ends, strict=True):
        sequence.update({name: value[:end] for name, value in sequence.items() if isinstance(value, list)})
    offline = [end for end, s in zip(ends, sequences, strict=True) if s["source"] == "offline"]
    rows = [(terms.get(name), ends) for name in ("prefix_kept", "token_advantage")] + [
        (case["expected"]["grad_logp"], ends),
        (terms.get("rho_offline"), offline),
    ]
    for value, lengths in rows:
        if value is not None:
            value[:] = [row[:end] for row, end in zip(value, lengths, strict=True)]


FORMS = (_reversed, _with_named_groups, _without_what_says_nothing, _with_nulls, _with_whole_numbers, _without_padding)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
@pytest.mark.parametrize("file", [FILE, MORE], ids=lambda file: file.stem)
def test_a_loss_case_holds_in_any_form_of_its_inputs(file, form):
    document = json.loads(file.read_text())
    document["cases"] = [case for case in document["cases"] if case["kind"] == "loss"]
    for case in document["cases"]:
        form(case)
    assert [r for r in check(document) if r.problem] == []


def _case(name):
    cases = [case for file in (FILE, MORE) for case in json.loads(file.read_text())["cases"]]
    return next(case for case in cases if case["id"] == name)


def test_the_nll_beside_rollouts_has_the_mean_that_the_case_names():
    case = _case("rl_sft_multitask")
    case["config"]["sft_agg"] = "seq_mean"
    nll = case["expected"]["terms"]["nll"]
    assert loss(case)["terms"]["nll"] == pytest.approx(_case("sft_seq_mean")["expected"]["terms"]["nll"]) != nll


def test_redi_without_a_push_still_tells_both_sets():
    case = _case("redi_pairs")
    case["config"]["alpha"] = 0.0
    found, expected = loss(case), case["expected"]["terms"]
    assert found["terms"]["negative"] == pytest.approx(expected["negative"])
    assert found["loss"] == pytest.approx(expected["positive"])


def test_a_demonstration_in_a_group_of_gvpo_is_a_member_of_it():
    case = _case("gvpo_groups")
    case["inputs"]["sequences"][0]["source"] = "offline"
    assert [r for r in check({"schema": SCHEMA, "cases": [case]}) if r.problem] == []


@pytest.mark.parametrize(("angle", "agrees"), [(2.2e-8, True), (3e-7, False)])
def test_an_angle_need_be_no_more_exact_than_arccos_can_tell(angle, agrees):
    """arccos(1 - 2^-52) is 2.1e-8: what is expected of two spans that share a direction."""
    case = _case("rotation_0")
    assert case["expected"]["angle_right"][0] == 0.0
    case["expected"]["angle_right"][0] = angle
    assert (not check({"schema": SCHEMA, "cases": [case]})[0].problem) is agrees


def test_a_number_too_large_for_the_tolerance_is_held_to_twelve_digits():
    assert not difference(5e5, 5e5 + 1e-8)
    assert difference(5e5, 5e5 + 1e-5) and difference(1.0, 1.0 + 2e-10)


def test_an_unknown_kind_fails_and_the_command_exits_non_zero(tmp_path, capsys):
    case = {"id": "x", "kind": "astrology", "expected": {}}
    file = tmp_path / "golden.json"
    file.write_text(json.dumps({"schema": SCHEMA, "cases": [case]}))
    assert main(["golden", str(file)]) == 1
    assert "unknown kind 'astrology'" in capsys.readouterr().out


def test_another_schema_is_refused():
    with pytest.raises(DataError, match="red-golden/1"):
        check({"schema": "other/2", "cases": []})


def _nudge_first_number(value):
    """Add 1e-6 to the first float or int leaf, wherever it is."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            if _nudge_first_number(item):
                return True
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            value[key] = item + 1 if isinstance(item, int) else item + 1e-6
            return True
    return False
