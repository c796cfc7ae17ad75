"""Properties that hold for every spec and any draw."""

import importlib
import pkgutil
from contextlib import contextmanager
from dataclasses import is_dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import red.methods
import red.objective
from red import methods
from red.objective.batch import Batch, Members
from red.objective.loss import objective, plan, with_mean_gains
from red.objective.offline_policy import demonstration_ratio
from red.objective.spec import Advantage, DemonstrationTerm, RolloutTerm

RANDOM = st.integers(0, 2**31 - 1)


def spec_of(name):
    """A method's loss, with its constant divisor for responses of 16 tokens."""
    spec = methods.method(name).objective
    return replace(spec, aggregation=spec.aggregation.resolved(16))


def draw(seed, groups=4, rollouts=3, demonstrations=1, tokens=6, hybrids=False):
    """A random step in float64 with mixed, all-wrong and all-right groups; with hybrids, one of each group is one."""
    g = torch.Generator().manual_seed(seed)
    size = rollouts + demonstrations
    total = groups * size
    is_demonstration = torch.tensor(([False] * rollouts + [True] * demonstrations) * groups)
    accuracy = (torch.rand(total, generator=g) < 0.5).double()
    accuracy[:size] = 0.0
    accuracy[size : 2 * size] = 1.0
    accuracy = torch.where(is_demonstration, torch.ones_like(accuracy), accuracy)
    length = torch.randint(1, tokens + 1, (total,), generator=g)
    mask = (torch.arange(tokens)[None] < length[:, None]).double()
    logp = -3 * torch.rand(total, tokens, generator=g, dtype=torch.float64)
    old = logp + 0.3 * torch.randn(total, tokens, generator=g, dtype=torch.float64)
    entropy = 2 * torch.rand(total, tokens, generator=g, dtype=torch.float64)
    batch = Batch(logp.requires_grad_(), old, entropy, mask)
    members = Members(
        torch.arange(groups).repeat_interleave(size), is_demonstration, accuracy, accuracy, length.double()
    )
    if hybrids:
        first = torch.arange(total) % size == 0
        members = replace(members, prefix_s=torch.where(first, (length + 1) // 2, 0))
    return batch, members


def loss_and_gradient(batch, spec, whole, parts):
    total = sum(objective(batch.rows(i), spec, whole.rows(i)).total for i in parts)
    return total.item(), torch.autograd.grad(total, batch.logp_st)[0]


@pytest.mark.parametrize("name", methods.names())
@settings(max_examples=15)
@given(seed=RANDOM, cuts=st.lists(st.integers(1, 15), max_size=4))
def test_any_split_and_order_of_micro_batches_gives_the_same_loss_and_gradient(name, seed, cuts):
    spec = spec_of(name)
    batch, members = draw(seed, hybrids=seed % 2 == 1)
    whole = plan(members, spec, weight=2.5, mu=0.4 if spec.mixture else None)
    everything = torch.arange(len(members.reward_s))
    expected, gradient = loss_and_gradient(batch, spec, whole, [everything])
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(seed))
    bounds = [0, *sorted(set(cuts)), len(everything)]
    parts = [order[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    found, split_gradient = loss_and_gradient(batch, spec, whole, parts)
    assert found == pytest.approx(expected, abs=1e-12)
    assert torch.allclose(gradient, split_gradient, atol=1e-14, rtol=0)


@contextmanager
def stop_gradients(values, replay):
    """Record what `detach` returns, or give the recorded values again: sg() then stays fixed while the policy moves."""
    stock, recorded = torch.Tensor.detach, iter(list(values))

    def detach(tensor):
        if replay:
            return next(recorded)
        values.append(stock(tensor).clone())
        return values[-1]

    torch.Tensor.detach = detach
    try:
        yield
    finally:
        torch.Tensor.detach = stock


@pytest.mark.parametrize("name", methods.names())
def test_the_gradient_is_that_of_finite_differences_with_stop_gradients_held(name):
    spec = spec_of(name)
    batch, members = draw(7, groups=8, hybrids=True)
    if spec.advantage.teacher:
        opinion = torch.rand(batch.logp_st.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        batch = replace(batch, teacher_logp_st=opinion.log())
    whole = plan(members, spec, weight=2.5, mu=0.4 if spec.mixture else None)
    direction = torch.randn(batch.logp_st.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    held = []
    with stop_gradients(held, replay=False):
        gradient = torch.autograd.grad(objective(batch, spec, whole).total, batch.logp_st)[0]

    def moved(by):
        with torch.no_grad(), stop_gradients(held, replay=True):
            return objective(replace(batch, logp_st=batch.logp_st + by * direction), spec, whole).total.item()

    step = 1e-6
    slope = (moved(step) - moved(-step)) / (2 * step)
    assert gradient.abs().sum() > 0
    assert slope == pytest.approx((gradient * direction).sum().item(), rel=1e-6)
    # So a small step along the negative gradient lowers the loss that the method descends.
    assert moved(0.0) == pytest.approx(objective(batch, spec, whole).total.item(), abs=1e-14)
    with torch.no_grad(), stop_gradients(held, replay=True):
        lower = objective(replace(batch, logp_st=batch.logp_st - 1e-4 * gradient), spec, whole).total.item()
    assert lower < moved(0.0)


@given(beta=st.floats(0, 1), pi=st.floats(1e-6, 1))
def test_rho_lies_between_pi_and_the_tight_bound(beta, pi):
    logp = torch.tensor([[pi]], dtype=torch.float64).log()
    rho = demonstration_ratio(logp, logp, torch.tensor([beta], dtype=torch.float64), DemonstrationTerm("shift")).item()
    bound = min(1.0, pi / beta) if beta > 0 else 1.0
    assert pi * (1 - 1e-12) <= rho <= bound * (1 + 1e-12)


@settings(max_examples=30)
@given(seed=RANDOM, weight=st.floats(0.1, 8))
def test_doubling_w_doubles_the_demonstrations_part_only(seed, weight):
    spec = spec_of("red")
    batch, members = draw(seed)
    once = objective(batch, spec, plan(members, spec, weight=weight))
    twice = objective(batch, spec, plan(members, spec, weight=2 * weight))
    assert twice.demonstration.item() == pytest.approx(2 * once.demonstration.item(), abs=1e-12)
    assert twice.rollout.item() == once.rollout.item()


def test_a_plan_that_is_told_no_weight_and_no_mixture_has_none():
    _, members = draw(3)
    found = plan(members, spec_of("red"))
    assert found.weight_s.tolist() == [1.0] * len(members.reward_s) and found.mu == 0.0


def test_all_failed_group_gets_plain_imitation_in_red_and_nothing_through_the_denominator():
    batch, members = draw(3)
    hard = members.demonstration_s & (members.group_s == 0)
    for kind, expected in (("shift", True), ("shift_through", False)):
        spec = replace(spec_of("red"), demonstration=DemonstrationTerm(kind))
        loss = objective(batch, spec, plan(members, spec)).total
        gradient = torch.autograd.grad(loss, batch.logp_st)[0]
        assert bool(gradient[hard].abs().sum() > 1e-12) is expected


def test_an_edge_that_is_missing_leaves_the_surrogate_unclipped():
    batch, members = draw(7)
    free = replace(spec_of("grpo"), rollout=RolloutTerm(clip_low=None, clip_high=None))
    expected = objective(batch, free, plan(members, free)).rollout.item()
    assert objective(batch, spec_of("grpo"), plan(members, free)).rollout.item() != pytest.approx(expected)
    for low, high in ((None, 0.2), (0.2, None)):
        spec = replace(free, rollout=RolloutTerm(clip_low=low, clip_high=high))
        assert objective(batch, spec, plan(members, spec)).rollout.item() == expected


@settings(max_examples=20)
@given(seed=RANDOM)
def test_psft_is_sft_and_nft_is_drgrpo_without_clip_at_the_first_update(seed):
    """Where the policy that moves is the one that sampled. NFT leaves out the groups whose advantages are zero."""
    batch, members = draw(seed, rollouts=4)
    batch = replace(batch, old_logp_st=batch.logp_st.detach())
    drgrpo = spec_of("drgrpo")
    unclipped = replace(drgrpo, rollout=RolloutTerm(clip_low=None, clip_high=None), entropy_coef=0.0)
    pairs = [(spec_of("psft"), spec_of("sft")), (spec_of("nft"), replace(unclipped, filter="accuracy_variance"))]
    for one, other in pairs:
        first, second = (
            torch.autograd.grad(objective(batch, spec, plan(members, spec)).total, batch.logp_st)[0]
            for spec in (one, other)
        )
        assert torch.allclose(first, second, atol=1e-15, rtol=1e-12)


@settings(max_examples=20)
@given(seed=RANDOM)
def test_gvpo_over_the_union_fits_a_demonstration_like_a_rollout_and_else_leaves_it_out(seed):
    batch, members = draw(seed)
    own, union = spec_of("gvpo"), replace(spec_of("gvpo"), advantage=Advantage("union", std=False))
    rollouts = replace(members, demonstration_s=torch.zeros_like(members.demonstration_s))

    def gradient(members, spec):
        whole = with_mean_gains(plan(members, spec), batch, spec.rollout, members.group_s)
        return torch.autograd.grad(objective(batch, spec, whole).total, batch.logp_st)[0]

    fitted = gradient(members, union)
    assert torch.equal(fitted, gradient(rollouts, own))
    assert (fitted[members.demonstration_s].abs().sum(1) > 0).all()
    rollouts_s = ~members.demonstration_s
    alone, left = gradient(members, own), batch.rows(rollouts_s)
    whole = plan(members, own).rows(rollouts_s)
    whole = with_mean_gains(whole, left, own.rollout, members.group_s[rollouts_s])
    expected = torch.autograd.grad(objective(left, own, whole).total, batch.logp_st)[0]
    assert torch.equal(alone, expected) and not alone[members.demonstration_s].any()


def test_nft_stays_finite_where_the_policy_has_left_the_one_that_sampled():
    """Ratios of e^200 on right and wrong rollouts; those of demonstrations do not matter to PSFT's neighbors."""
    batch, members = draw(5)
    batch = replace(batch, old_logp_st=batch.logp_st.detach() - 200)
    for name in ("nft", "psft", "rl_plus"):
        spec = spec_of(name)
        total = objective(batch, spec, plan(members, spec)).total
        gradient = torch.autograd.grad(total, batch.logp_st)[0]
        assert total.isfinite() and gradient.isfinite().all(), name


@pytest.mark.parametrize(("pi", "coefficient"), [(0.001, 0.01), (0.05, 0.5), (0.1, 1.0), (0.9, 1.0)])
def test_trsft_learns_a_token_as_sft_does_unless_it_is_unlikely(pi, coefficient):
    logp = torch.tensor([[pi]], dtype=torch.float64).log().requires_grad_()
    ratio = demonstration_ratio(logp, logp.detach(), torch.zeros(1), DemonstrationTerm("trust", alpha=0.1))
    assert torch.autograd.grad(ratio.sum(), logp)[0].item() == pytest.approx(coefficient, rel=1e-12)


@pytest.mark.parametrize("edge", [0.2, None])
def test_old_log_probabilities_of_rollouts_never_reach_the_ratio_of_a_demonstration(edge):
    """Where it would overflow, and no clip would hide that."""
    batch, members = draw(5)
    far = torch.where(members.demonstration_s[:, None], batch.old_logp_st, batch.old_logp_st - 1e4)
    spec = spec_of("psft")
    spec = replace(spec, demonstration=replace(spec.demonstration, clip_low=edge, clip_high=edge))
    whole = plan(members, spec)
    expected = objective(batch, spec, whole).total.item()
    assert objective(replace(batch, old_logp_st=far), spec, whole).total.item() == expected


def test_a_probability_that_rounding_puts_above_one_has_a_ratio():
    logp = torch.tensor([[1e-9]], dtype=torch.float64)
    assert demonstration_ratio(logp, logp, torch.zeros(1), DemonstrationTerm("mixture_is")).item() == 0.0


def test_what_is_handed_around_cannot_change():
    """Only what a method remembers may."""
    found = {}
    for room in (red.objective, red.methods):
        for name in (module.name for module in pkgutil.iter_modules(room.__path__)):
            for value in vars(importlib.import_module(f"{room.__name__}.{name}")).values():
                if isinstance(value, type) and is_dataclass(value):
                    found[value.__name__] = value.__dataclass_params__.frozen
    assert {name for name, frozen in found.items() if not frozen} == {"HardBuffer", "AnchorSearch", "NoiseController"}
    assert {"Plan", "Batch", "Loss", "ObjectiveSpec", "Method", "Mix", "SecondStep"} <= found.keys()


def test_equal_rewards_give_zero_advantage_and_finite_loss():
    batch, members = draw(1)
    members = replace(
        members, reward_s=torch.ones_like(members.reward_s), accuracy_s=torch.ones_like(members.accuracy_s)
    )
    for name in methods.names():
        spec = spec_of(name)
        loss = objective(batch, spec, plan(members, spec, mu=0.1 if spec.mixture else None))
        assert torch.isfinite(loss.total)


def test_an_empty_set_of_demonstrations_gives_zero_not_nan():
    batch, members = draw(2, demonstrations=0)
    for name in methods.names():
        spec = spec_of(name)
        loss = objective(batch, spec, plan(members, spec))
        assert loss.nll.item() == 0.0 and loss.demonstration.item() == 0.0
        assert torch.isfinite(loss.total)


def test_r_group_of_the_next_prompt_permutes_it_among_the_groups():
    _, members = draw(3)
    spec = spec_of("red")
    own = plan(members, spec).r_group_s.view(4, -1)
    other = plan(
        members, replace(spec, demonstration=replace(spec.demonstration, r_group_over="next_group"))
    ).r_group_s.view(4, -1)
    assert torch.equal(other, own.roll(-1, 0)) and not torch.equal(other, own)
