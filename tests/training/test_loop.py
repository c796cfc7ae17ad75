"""Whole trainings of every method are what the equations say, step by step, down to the weights; and as stored."""

import json

import pytest
import torch

from red import methods
from red.errors import DataError
from red.methods.dapo import DynamicSampling
from tests.fixtures.runs import SETTINGS
from tests.training import toy, trajectories
from tests.training.plain_training import PlainTraining
from tests.training.variants import VARIANTS

# float32 against float64, five updates deep; measured 1e-5, and 5e-4 on a processor without vector units.
RELATIVE = 1e-3


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    toy.write_world(root)
    return root


@pytest.fixture(scope="module")
def trained(world):
    """The product's training of a variant, made once."""
    made = {}

    def training(name):
        if name not in made:
            run = VARIANTS[name]
            made[name] = toy.trained(world, world / name, toy.run_spec(run.method, run.overrides, **run.training))
        return made[name]

    return training


def flat(weights, names):
    return torch.cat([weights[name].double().flatten() for name in names])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_is_what_the_equations_say(name, trained):
    product = trained(name)
    second = PlainTraining(VARIANTS[name], [calls for _, calls in product.script.calls])
    names = [parameter for parameter, _ in second.model.named_parameters()]
    start = flat(second.model.state_dict(), names)
    for number, (row, there) in enumerate(zip(product.rows, product.weights[1:], strict=True)):
        expected = second.step(number)
        assert {key: row[key] for key in expected} == pytest.approx(expected, rel=RELATIVE, abs=1e-5), number
        moved = flat(second.model.state_dict(), names) - start
        assert moved.norm() > 0.01
        assert (flat(there, names) - start - moved).norm() <= RELATIVE * moved.norm(), number
    assert not second.calls


@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_is_the_stored_one(name, trained):
    stored = json.loads(trajectories.FILE.read_text())["trainings"]
    moved = list(trajectories.differences(stored.get(name, {}), trajectories.columns(trained(name))))
    assert not moved, "if that is meant: python -m tests.training.trajectories"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_counts_what_it_took_sampled_and_learned(name, trained):
    spec = toy.run_spec(VARIANTS[name].method, VARIANTS[name].overrides, **VARIANTS[name].training)
    size, refills = spec.training, isinstance(spec.build_method().mix, DynamicSampling)
    for row in trained(name).rows:
        rounds, rest = divmod(row["train/prompts"], size.prompts_per_step)
        assert rest == 0 and 1 <= rounds <= (6 if refills else 1)
        assert (row["train/rollouts"] > 0) == ("accuracy/sampled" in row) == (row["tokens/generated"] > 0)
        assert (row["tokens/prompt"] > 0) == (row["tokens/trained"] > 0)
        has_demonstrations = "length/demonstration" in row or row.get("finetune/tokens", 0) > 0
        assert has_demonstrations or row["train/demonstrations"] == 0


def test_every_method_is_trained_here():
    missing = sorted(set(methods.names()) - {variant.method for variant in VARIANTS.values()})
    assert not missing, f"{', '.join(missing)}: add a variant to tests/training/variants.py"


BARE = [name for name in methods.names() if not methods.method(name).needs_demonstrations]
LEARNING = [name for name in BARE if methods.method(name).learns_demonstrations]


def without_demonstrations(root, kept):
    toy.write_world(root)
    lines = (root / "demonstrations.jsonl").read_text().splitlines(keepends=True)
    (root / "demonstrations.jsonl").write_text("".join(lines[i] for i in kept))


@pytest.mark.parametrize("name", BARE)
def test_prompts_without_demonstrations_train_every_method_that_puts_none_into_its_groups(name, tmp_path):
    """Problem 1 is always failed and has a demonstration, problem 5 is always failed and has none."""
    without_demonstrations(tmp_path, [0, 1, 2])
    settings = SETTINGS | {"relift": {"second_step": {"buffer": 1}}}
    found = toy.trained(tmp_path, tmp_path / "run", toy.run_spec(name, settings.get(name, {})))
    assert found.result.counts["problems"] == 8 and found.result.counts["no_demonstration"] == 5
    assert found.result.steps == len(found.rows) == toy.STEPS
    if name in LEARNING:
        learned = ("finetune/step", "length/demonstration", "prefix/tokens", "teacher/kl")
        assert any(row.get(metric) for row in found.rows for metric in learned)


@pytest.mark.parametrize("name", BARE)
def test_a_training_set_without_demonstrations_is_refused_by_methods_that_learn_from_them(name, tmp_path):
    without_demonstrations(tmp_path, [])
    spec = toy.run_spec(name, SETTINGS.get(name, {}))
    if name in LEARNING:
        with pytest.raises(DataError, match=f"no prompt has a demonstration, from which {name} learns"):
            toy.trained(tmp_path, tmp_path / "run", spec)
    else:
        assert toy.trained(tmp_path, tmp_path / "run", spec).result.steps == toy.STEPS


def test_a_training_set_without_wrong_traces_is_refused_by_the_method_that_unlearns_them(tmp_path):
    toy.write_world(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "demonstrations.jsonl").read_text().splitlines()]
    (tmp_path / "demonstrations.jsonl").write_text("".join(json.dumps(row | {"wrong": None}) + "\n" for row in rows))
    with pytest.raises(DataError, match="no row has a wrong trace, from which redi learns; name a corruption"):
        toy.trained(tmp_path, tmp_path / "run", toy.run_spec("redi", {}))
    (tmp_path / "demonstrations.jsonl").write_text("".join(json.dumps(row | {"wrong": 7}) + "\n" for row in rows))
    with pytest.raises(DataError, match="line 1: wrong is null or a text"):
        toy.trained(tmp_path, tmp_path / "again", toy.run_spec("redi", {}))


def test_a_gold_that_would_stop_a_training_is_found_before_it_starts(tmp_path):
    toy.write_world(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    rows[2]["answer"] = "$t(0,4]$"
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"prompts.jsonl: line 3: answer '\$t\(0,4\]\$' cannot be compared"):
        toy.trained(tmp_path, tmp_path / "run", toy.run_spec("grpo", {}))


@pytest.mark.parametrize(("rule", "right"), [("strict", 0), ("anywhere", 0), ("luffy", 7)])
def test_a_run_is_judged_by_its_rule(rule, right, tmp_path):
    """Demonstrations that lost their boxes; one of the eight is wrong."""
    toy.write_world(tmp_path)
    bare = (tmp_path / "demonstrations.jsonl").read_text().replace("\\\\boxed{", "").replace('}"}', '"}')
    (tmp_path / "demonstrations.jsonl").write_text(bare)
    spec = toy.run_spec("luffy", {"reward": {"rule": rule}}, prompts_per_step=8)
    rows = toy.trained(tmp_path, tmp_path / "run", spec).rows
    assert {row["accuracy/demonstration"] for row in rows} == {right / 8}


def test_srft_stops_after_five_steps_of_unlikely_wrong_rollouts(world):
    spec = toy.run_spec("srft", {}, steps=40, lr=5e-2, warmup=0.0)
    found = toy.trained(world, world / "runaway", spec)
    low = [row["logp/wrong_mean"] < -6.0 for row in found.rows]
    ends = [step for step in range(4, 40) if all(low[step - 4 : step + 1])]
    assert ends and len(found.rows) == ends[0] + 1 < 40
    assert found.result.steps == len(found.rows) and "-6.0" in found.result.stopped
