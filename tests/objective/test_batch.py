"""What a step is made of is checked where it is made: tensors of another shape would adapt to each other in silence."""

import pytest
import torch

from red import Batch, Members, loss, method, plan
from red.errors import RedError

SPEC = method("red").objective.resolved(max_new_tokens=16)
LOGP = torch.full((4, 5), -1.0)


def members(**changes: torch.Tensor) -> Members:
    verdicts = torch.tensor([0.0, 1.0, 0.0, 1.0])
    group, mark = torch.zeros(4, dtype=torch.long), torch.tensor([False, False, False, True])
    kinds = {"group_s": group, "demonstration_s": mark, "reward_s": verdicts, "accuracy_s": verdicts}
    return Members(**{**kinds, "tokens_s": torch.full((4,), 5.0), **changes})


def batch(**changes: torch.Tensor) -> Batch:
    kinds = {"logp_st": LOGP.clone().requires_grad_(), "old_logp_st": LOGP, "entropy_st": -LOGP}
    return Batch(**{**kinds, "mask_st": torch.ones(4, 5), **changes})


@pytest.mark.parametrize("name", ["old_logp_st", "entropy_st", "mask_st", "teacher_logp_st"])
@pytest.mark.parametrize("shape", [(4, 1), (1, 5), (4,), (4, 6), (5, 5)])
def test_a_tensor_of_another_shape_is_named(name, shape):
    with pytest.raises(RedError, match=rf"^Batch\.{name}: shape .*, logp_st \(4, 5\); all are \(S, T\)$"):
        batch(**{name: torch.ones(shape)})


@pytest.mark.parametrize("shape", [(4,), (4, 5, 1)])
def test_a_step_has_sequences_and_tokens(shape):
    """Even where all tensors agree."""
    alike = torch.zeros(shape)
    with pytest.raises(RedError, match=r"^Batch\.logp_st: shape .*; all are \(S, T\)$"):
        Batch(alike, alike, alike, alike)


@pytest.mark.parametrize("shape", [(), (4, 1)])
def test_members_are_one_row(shape):
    alike = torch.zeros(shape)
    with pytest.raises(RedError, match=r"^Members\.group_s: shape .*; all are \(S,\)$"):
        Members(alike, alike.bool(), alike, alike, alike)


@pytest.mark.parametrize("count", [3, 5])
def test_members_are_all_of_the_same_sequences(count):
    with pytest.raises(RedError, match=rf"^Members\.reward_s: shape \({count},\), group_s \(4,\)"):
        members(reward_s=torch.ones(count))


def test_old_log_probabilities_with_a_gradient_are_refused():
    """π / π_old would be constant: no rollout would teach anything, and the loss would look the same."""
    live = LOGP.clone().requires_grad_()
    with pytest.raises(RedError, match=r"^Batch\.old_logp_st: carries a gradient.* detach\(\) it$"):
        batch(logp_st=live, old_logp_st=live)


@pytest.mark.parametrize("name", ["reward_s", "accuracy_s", "tokens_s", "prefix_s"])
def test_what_is_known_of_each_sequence_is_one_number(name):
    with pytest.raises(RedError, match=rf"^Members\.{name}: shape \(4, 1\), group_s \(4,\); all are \(S,\)$"):
        members(**{name: torch.ones(4, 1)})
    with pytest.raises(RedError, match=rf"^Members\.{name}: expected numbers, found torch\.bool$"):
        members(**{name: torch.ones(4, dtype=torch.bool)})


@pytest.mark.parametrize("name", ["demonstration_s", "kept_s", "prefix_kept_s"])
def test_marks_are_booleans(name):
    with pytest.raises(RedError, match=rf"^Members\.{name}: expected booleans, found torch\.int64$"):
        members(**{name: torch.tensor([0, 0, 0, 1])})


@pytest.mark.parametrize("part", [slice(0, 1), slice(0, 3)])
def test_a_loss_wants_the_plan_of_its_sequences(part):
    """One sequence under a plan of four would count four times."""
    index = torch.arange(4)[part]
    whole = plan(members(), SPEC)
    with pytest.raises(RedError, match=rf"^loss: {len(index)} sequences under a plan of 4; take the same rows"):
        loss(batch().rows(index), SPEC, whole)
    with pytest.raises(RedError, match=rf"^loss: 4 sequences under a plan of {len(index)}; take the same rows"):
        loss(batch(), SPEC, whole.rows(index))
    assert loss(batch().rows(index), SPEC, whole.rows(index)).total.isfinite()
