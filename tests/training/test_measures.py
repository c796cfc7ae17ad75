"""What a step logs, against numbers worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from red.errors import RedError
from red.methods.base import Group, Problem, Sequence
from red.objective.batch import Batch, Plan
from red.objective.spec import DemonstrationTerm, ObjectiveSpec, RolloutTerm, Weight
from red.training import measures
from red.training.weight import StepEntropy, WeightStep

RED = ObjectiveSpec(demonstration=DemonstrationTerm("shift"), weight=Weight("entropy_ratio"))


def member(accuracy, reward, tokens, is_demonstration=False, truncated=False):
    return Sequence((5,), tuple(range(tokens)), accuracy, reward, is_demonstration, truncated)


def table(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def kinds(is_demonstration):
    demonstration_s = torch.tensor(is_demonstration)
    return ~demonstration_s, demonstration_s


def test_step_entropies_are_means_over_sequences_of_means_over_tokens():
    """Token-weighted means would be 1.5 and 1.0; the deviation has n - 1."""
    entropy = table([1.0, 3.0, 9.0], [1.0, 1.0, 1.0], [0.5, 9.0, 9.0], [1.0, 2.0, 0.0])
    mask = table([1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1])
    found = measures.step_entropy(entropy, mask, *kinds([False, False, True, True]))
    assert (found.rollout, found.demonstration) == (1.5, 0.75)
    assert found.rollout_se == pytest.approx(math.sqrt(0.5) / math.sqrt(2))
    assert found.demonstration_se == pytest.approx(math.sqrt(0.125) / math.sqrt(2))


def test_a_side_without_sequences_has_no_entropy_and_one_sequence_no_error():
    entropy, mask = table([1.0, 2.0]), table([1, 1])
    assert measures.step_entropy(entropy, mask, *kinds([False])) == StepEntropy(1.5, None, 0.0, 0.0)
    assert measures.step_entropy(entropy, mask, *kinds([True])) == StepEntropy(None, 1.5, 0.0, 0.0)
    assert measures.entropy_metrics(StepEntropy(1.5, None, 0.1)) == {"entropy/rollout": 1.5, "entropy/rollout_se": 0.1}
    assert measures.entropy_metrics(StepEntropy(None, 2.0, 0.0, 0.2)) == {
        "entropy/demonstration": 2.0,
        "entropy/demonstration_se": 0.2,
    }


def test_measuring_entropy_carries_no_gradient():
    entropy = table([1.0, 2.0]).requires_grad_()
    assert isinstance(measures.step_entropy(entropy, table([1, 1]), *kinds([False])).rollout, float)


def test_marks_of_the_entropies_are_booleans():
    """Numbers would choose the first and the second sequence."""
    with pytest.raises(RedError, match=r"^step_entropy: marks are booleans, found torch\.int64"):
        measures.step_entropy(table([1.0, 2.0]), table([1, 1]), torch.tensor([0, 1]), torch.tensor([1, 0]))


def test_what_is_learned_is_counted_in_tokens_prompts_and_demonstrations():
    sequences = [member(1.0, 1.0, 4), member(0.0, 0.0, 2), member(1.0, 1.0, 7, is_demonstration=True)]
    assert measures.learned(sequences) == {"tokens/trained": 13, "tokens/prompt": 3, "train/demonstrations": 1}
    assert not any(measures.learned(()).values())


def test_rewards_verdicts_and_lengths_of_a_step():
    problem = Problem("p", (5,), "1")
    groups = [
        Group(
            problem,
            (member(1.0, 0.5, 4, truncated=True), member(0.0, 0.0, 2), member(1.0, 0.25, 7, is_demonstration=True)),
        ),
        Group(problem, (member(1.0, 1.0, 1), member(1.0, 1.0, 5))),
        Group(problem, (member(0.0, -0.5, 6), member(0.0, 0.0, 6))),
        Group(problem, (member(0.0, 0.0, 3, is_demonstration=True),)),
    ]
    assert measures.group_metrics(groups) == {
        "train/groups": 4,
        "reward/rollout": pytest.approx(2.0 / 6),
        "accuracy/rollout": 0.5,
        "accuracy/demonstration": 0.5,
        "train/truncated": pytest.approx(1 / 6),
        "train/solve_none": pytest.approx(1 / 3),
        "train/solve_all": pytest.approx(1 / 3),
        "length/rollout": 4.0,
        "length/demonstration": 5.0,
    }
    assert measures.group_metrics([]) == {"train/groups": 0}


def test_the_weight_says_what_it_was_made_of_and_when_it_sits_at_a_bound():
    def logged(raw, spec=RED):
        return measures.weight_metrics(WeightStep(2.0, raw, 0.1, 0.2), spec)

    parts = {"red/w": 2.0, "red/change_rollout": 0.1, "red/change_demonstration": 0.2}
    assert logged(3.0) == {**parts, "red/w_raw": 3.0, "red/w_at_low": 0.0, "red/w_at_high": 0.0}
    assert logged(1.0) == {**parts, "red/w_raw": 1.0, "red/w_at_low": 1.0, "red/w_at_high": 0.0}
    assert logged(0.9) == {**parts, "red/w_raw": 0.9, "red/w_at_low": 1.0, "red/w_at_high": 0.0}
    assert logged(8.0) == {**parts, "red/w_raw": 8.0, "red/w_at_low": 0.0, "red/w_at_high": 1.0}
    assert logged(9.0) == {**parts, "red/w_raw": 9.0, "red/w_at_low": 0.0, "red/w_at_high": 1.0}
    unbounded = replace(RED, weight=replace(RED.weight, high=None))
    assert logged(99.0, unbounded) == {**parts, "red/w_raw": 99.0, "red/w_at_low": 0.0, "red/w_at_high": 0.0}
    # Any method measures the ratio; only one that uses it sits at its bounds. Infinity has no place in a log.
    assert logged(3.0, ObjectiveSpec()) == {**parts, "red/w_raw": 3.0}
    assert "red/w_raw" not in logged(math.inf) and logged(math.inf)["red/w_at_high"] == 1.0
    assert measures.weight_metrics(WeightStep(1.0), RED) == {"red/w": 1.0}


# Two rollouts of a half-solved prompt, one of a prompt that all fail, and both prompts' demonstrations.
PROBABILITY = table([0.5, 0.25], [0.1, 0.2], [0.4, 0.9], [0.5, 0.9], [0.85, 0.05])
RATIO = table([1.25, 1.0], [0.75, 1.1], [1.25, 7.0], [1.0, 1.0], [1.0, 1.0])
MASK = table([1, 1], [1, 1], [1, 0], [1, 1], [1, 0])
BATCH = Batch(PROBABILITY.log(), PROBABILITY.log() - RATIO.log(), torch.zeros(5, 2), MASK)
PLAN = Plan(
    advantage_s=table(1.0, -1.0, -0.5, 2.0, -3.0),
    demonstration_advantage_s=table(1.0, -1.0, -0.5, 2.0, -3.0),
    r_group_s=table(0.5, 0.5, 0.0, 0.5, 0.0),
    accuracy_s=table(1.0, 0.0, 0.0, 1.0, 1.0),
    weight_s=table(1.0, 1.0, 1.0, 2.5, 2.5),
    rollout_s=torch.tensor([True, True, True, False, False]),
    demonstration_s=torch.tensor([False, False, False, True, True]),
    prefix_s=torch.zeros(5, dtype=torch.long),
    wrong_s=torch.zeros(5, dtype=torch.bool),
    share_s=torch.zeros(5),
    gain_mean_s=torch.zeros(5),
    policy_sequences=5.0,
    policy_tokens=8.0,
    nll_sequences=2.0,
    nll_tokens=3.0,
    wrong_sequences=0.0,
    wrong_tokens=0.0,
    tokens=8.0,
    mu=0.0,
)


def test_probabilities_and_ratios_of_counted_tokens():
    found = measures.policy_metrics(BATCH, PLAN, ObjectiveSpec())
    assert found == {
        "ratio/out_of_range_rollout": pytest.approx(3 / 5),  # 1.25 twice and 0.75
        "probability/rollout": pytest.approx((0.5 + 0.25 + 0.1 + 0.2 + 0.4) / 5),
        "logp/wrong_mean": pytest.approx((math.log(0.1) + math.log(0.2) + math.log(0.4)) / 3),
        "ratio/out_of_range_demonstration": pytest.approx(1 / 3),  # of pi / 1: 0.5
        "probability/demonstration": pytest.approx((0.5 + 0.9 + 0.85) / 3),
    }


def test_the_edges_of_the_range_are_inside():
    ratio = table([0.7999, 0.8, 1.0, 1.28, 1.2801], [0.1, 9.0, 1.0, 1.0, 1.0])
    mask = table([1, 1, 1, 1, 1], [0, 0, 1, 1, 1])
    assert measures.outside(ratio, mask, 0.2, 0.28) == pytest.approx(2 / 8)
    assert measures.outside(ratio, torch.zeros_like(mask), 0.2, 0.28) == 0.0


def test_the_range_is_the_methods_and_0_2_where_it_does_not_clip():
    wide = measures.policy_metrics(BATCH, PLAN, ObjectiveSpec(rollout=RolloutTerm(clip_low=0.3, clip_high=0.24)))
    assert (wide["ratio/out_of_range_rollout"], wide["ratio/out_of_range_demonstration"]) == (
        pytest.approx(2 / 5),
        pytest.approx(1 / 3),
    )
    free = measures.policy_metrics(BATCH, PLAN, ObjectiveSpec(rollout=RolloutTerm(clip_low=None, clip_high=None)))
    none = measures.policy_metrics(BATCH, PLAN, ObjectiveSpec(rollout=None))
    assert free["ratio/out_of_range_rollout"] == none["ratio/out_of_range_rollout"] == pytest.approx(3 / 5)
    assert free["ratio/out_of_range_demonstration"] == none["ratio/out_of_range_demonstration"] == pytest.approx(1 / 3)


def test_reds_quantities_by_accuracy_of_the_group():
    """rho = pi / (beta + (1 - beta) pi): 0.5 / 0.75 and 0.9 / 0.95 at beta 1/2, and 1 at beta 0."""
    found = measures.policy_metrics(BATCH, PLAN, RED)
    rho = [0.5 / 0.75, 0.9 / 0.95]
    assert found["red/r_group_mean"] == 0.25
    assert [found[f"red/r_group_hist/{i}"] for i in range(9)] == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    assert {key: value for key, value in found.items() if key.startswith("red/rho_mean")} == {
        "red/rho_mean/0": pytest.approx(1.0),
        "red/rho_mean/4": pytest.approx(sum(rho) / 2),
    }
    off = sum(rho) * 2.5 * 2.0 + 1.0 * 2.5 * 3.0
    on = 2 * 1.0 + 2 * 1.0 + 1 * 0.5
    assert found["red/mass_demonstration"] == pytest.approx(off / (off + on))


def test_a_step_without_one_kind_of_member_logs_nothing_of_it():
    nobody = torch.zeros(5, dtype=torch.bool)
    rollouts = measures.policy_metrics(BATCH, replace(PLAN, demonstration_s=nobody), RED)
    assert set(rollouts) == {"ratio/out_of_range_rollout", "probability/rollout", "logp/wrong_mean"}
    taught = measures.policy_metrics(BATCH, replace(PLAN, rollout_s=nobody), ObjectiveSpec())
    assert set(taught) == {"ratio/out_of_range_demonstration", "probability/demonstration"}
    right = measures.policy_metrics(BATCH, replace(PLAN, accuracy_s=torch.ones(5)), ObjectiveSpec())
    assert "logp/wrong_mean" not in right


def test_one_token_is_enough():
    """One counted token of a rollout and one of a demonstration; a mass below 1."""
    batch = replace(BATCH, mask_st=table([1, 0], [0, 0], [0, 0], [1, 0], [0, 0]))
    tenth = table(0.1, 0.0, 0.0, 0.1, 0.0)
    small = replace(PLAN, advantage_s=tenth, demonstration_advantage_s=tenth)
    found = measures.policy_metrics(batch, small, RED)
    assert found["ratio/out_of_range_rollout"] == 1.0
    assert found["probability/rollout"] == pytest.approx(0.5)
    assert found["ratio/out_of_range_demonstration"] == 1.0
    assert found["probability/demonstration"] == pytest.approx(0.5)
    off, on = 0.5 / 0.75 * 2.5 * 0.1, 0.1
    assert found["red/mass_demonstration"] == pytest.approx(off / (off + on))


def test_a_step_that_moves_nothing_has_no_offline_mass():
    nothing = torch.zeros(5, dtype=torch.float64)
    still = replace(PLAN, advantage_s=nothing, demonstration_advantage_s=nothing)
    assert measures.policy_metrics(BATCH, still, RED)["red/mass_demonstration"] == 0.0


def test_a_prefix_counts_with_the_demonstrations_and_its_continuation_with_the_rollouts():
    """The first rollout becomes a hybrid of one token and one."""
    spec = replace(RED, demonstration=DemonstrationTerm("ratio_one"))
    found = measures.policy_metrics(BATCH, replace(PLAN, prefix_s=torch.tensor([1, 0, 0, 0, 0])), spec)
    assert found["probability/rollout"] == pytest.approx((0.25 + 0.1 + 0.2 + 0.4) / 4)
    assert found["probability/demonstration"] == pytest.approx((0.5 + 0.5 + 0.9 + 0.85) / 4)
    prefix = 0.5 * 1.0
    whole = (0.5 + 0.9) * 2.5 * 2.0 + 0.85 * 2.5 * 3.0
    sampled = 1 * 1.0 + 2 * 1.0 + 1 * 0.5
    assert found["prefix/mass"] == pytest.approx(prefix / (prefix + whole + sampled))
    assert found["red/mass_demonstration"] == pytest.approx((prefix + whole) / (prefix + whole + sampled))
    assert found["prefix/negative"] == 0.0
    both = replace(PLAN, prefix_s=torch.tensor([2, 2, 0, 0, 0]))
    entropy = table([0.2, 0.6], [0.7, 0.1], [0, 0], [0, 0], [0, 0])
    kept = measures.policy_metrics(
        replace(BATCH, entropy_st=entropy),
        both,
        replace(RED, demonstration=DemonstrationTerm(top_entropy=0.5, kind="ratio_one")),
    )
    assert kept["prefix/kept_entropy"] == pytest.approx((0.6 + 0.7) / 2)
    assert kept["prefix/negative"] == 0.5


def test_hybrids_have_metrics_of_their_own():
    problem = Problem("p", (5,), "1", demonstration=(1, 2, 3, 4))
    hybrid = replace(member(1.0, 1.0, 5), prefix=3)
    found = measures.group_metrics(
        [Group(problem, (member(0.0, 0.0, 2), hybrid, replace(hybrid, prefix=1, accuracy=0.0)))]
    )
    assert found["accuracy/rollout"] == 0.0 and found["length/rollout"] == 2
    assert (found["prefix/accuracy"], found["prefix/tokens"], found["prefix/share"]) == (0.5, 2.0, 0.5)
    assert found["train/solve_none"] == 1.0


def test_old_probabilities_of_demonstrations_do_not_matter():
    """They are not known: whatever stands there must not overflow."""
    wild = BATCH.old_logp_st.clone()
    wild[3:] = -1e9
    assert measures.policy_metrics(replace(BATCH, old_logp_st=wild), PLAN, RED) == measures.policy_metrics(
        BATCH, PLAN, RED
    )


def test_thinking_words_are_whole_words_in_any_case():
    texts = ["But wait, hmm.", "We distribute the butter and await it.", "Let me check again: fine"]
    assert measures.overthinking(texts, 40) == {"words/overthink_per_1k": 100.0}


def test_a_step_without_tokens_has_no_rate():
    assert measures.overthinking([], 0) == {}


def test_trained_tokens_are_those_of_the_responses():
    assert measures.trained_tokens([member(1.0, 1.0, 4), member(0.0, 0.0, 3, is_demonstration=True)]) == 7
