"""Every number of a probe is that of the plain model on the same text, and all runs see the same prompts."""

import pytest
import torch

from red.errors import ConfigError
from red.grading.reward import RewardJudge
from red.models import checkpoint as checkpoints
from red.plumbing.storage import read_jsonl
from red.probes.probe import Probe, measure

LIMIT = 40


@pytest.fixture(scope="module")
def base(tiny_world):
    return checkpoints.load(tiny_world / "models" / "base")


@pytest.fixture(scope="module")
def other(tiny_world):
    """The base with a head that prefers other tokens."""
    changed = checkpoints.load(tiny_world / "models" / "base")
    head = changed.model.lm_head.weight
    with torch.no_grad():
        head.add_(0.05 * torch.arange(head.numel()).sin().view_as(head))
    return changed


@pytest.fixture(scope="module")
def rows(tiny_world):
    """Rows of a probe by quantity."""

    def measured(probe, trained, **others):
        files = tiny_world / "prompts.jsonl", tiny_world / "demonstrations" / "clean.jsonl"
        with RewardJudge() as judge:
            found = list(
                measure(
                    Probe(probe, 5, 1 if probe == "tokens" else 3, "plain", 64, LIMIT, step=7),
                    trained,
                    others,
                    *files,
                    judge,
                )
            )
        return {q: [row for row in found if row.quantity == q] for q in dict.fromkeys(row.quantity for row in found)}

    return measured


def values(rows):
    return [row.value for row in rows]


def plain_probabilities(model, tokenizer, prompt, tokens):
    """Softmax at temperature 1, one text at a time."""
    ids = tokenizer.encode(f"{prompt}.\nA:").ids  # the template `plain`
    logits = model(torch.tensor([[*ids, *tokens]]))[0, len(ids) - 1 : -1]
    return logits.softmax(-1)[range(len(tokens)), tokens]


def test_token_probabilities_are_those_of_each_model(rows, base, other, tiny_world):
    found = rows("confidence", base, large=other)
    assert found.keys() == {"group_accuracy", "p_small", "p_large"}
    questions = {row["id"]: row["question"] for row in read_jsonl(tiny_world / "prompts.jsonl")}
    for name, checkpoint in (("p_small", base), ("p_large", other)):
        for example in {row.example for row in found[name]}:
            own = [row for row in found[name] if row.example == example]
            assert [row.position for row in own] == list(range(len(own)))
            tokens = [checkpoint.tokenizer.token_to_id(row.token) for row in own]
            assert tokens[-1] == base.eos_id or len(own) == LIMIT
            expected = plain_probabilities(checkpoint.model, base.tokenizer, questions[example], tokens)
            torch.testing.assert_close(torch.tensor(values(own)), expected, rtol=1e-4, atol=1e-5)
    assert values(found["p_small"]) != values(found["p_large"])


def test_group_accuracy_is_a_share_of_the_samples(rows, base, other):
    found = rows("confidence", base, large=other)["group_accuracy"]
    assert len(found) == 5
    assert {round(3 * value, 6) for value in values(found)} <= {0, 1, 2, 3}


def test_a_probe_of_tokens_shows_one_rollout_per_prompt():
    with pytest.raises(ConfigError, match=r"probes\.tokens\.samples: 8"):
        Probe("tokens", 5, 8, "plain", 64, LIMIT)


def test_tokens_are_measured_on_the_trained_model_s_own_responses(rows, base, other):
    found = rows("tokens", other, base=base)
    texts = [[(row.example, row.position, row.token) for row in found[name]] for name in ("p_trained", "p_base")]
    assert texts[0] == texts[1]
    assert {row.step for row in found["p_trained"]} == {7}
    assert values(rows("tokens", base, base=base)["p_base"]) == values(rows("tokens", base, base=base)["p_trained"])


def test_entropies_are_measured_before_and_after_on_the_same_prompts(rows, base, other):
    """A parent that is the trained model has the same entropies at both steps; a changed one has not."""
    same, changed = rows("entropy", base, parent=base), rows("entropy", base, parent=other)
    for found in (same, changed):
        assert found.keys() == {"entropy_rollout", "entropy_demonstration"}
        for own in found.values():
            assert [row.step for row in own] == [0] * 5 + [7] * 5
            assert [row.example for row in own[:5]] == [row.example for row in own[5:]]
    for name, own in same.items():
        assert values(own[:5]) == values(own[5:])
        assert values(changed[name][:5]) != values(changed[name][5:])
        assert values(changed[name][5:]) == values(own[5:])
    # No distribution over V tokens has an entropy above log V.
    top = torch.tensor(float(base.tokenizer.get_vocab_size())).log().item()
    assert all(0 < value < top for own in same.values() for value in values(own))


def test_prompts_depend_on_the_seed_of_the_probe_alone(rows, base, other):
    chosen = [{row.example for row in rows("tokens", model, base=base)["p_base"]} for model in (base, other)]
    assert chosen[0] == chosen[1] and len(chosen[0]) == 5
