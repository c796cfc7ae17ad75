"""Every number of a probe is that of the plain model on the same text, and all runs see the same prompts."""

import re
from uuid import uuid4

import pytest
import torch

from red.errors import ConfigError, DataError
from red.grading.reward import RewardJudge
from red.models import checkpoint as checkpoints
from red.plumbing.item_log import ItemLog
from red.plumbing.storage import read_jsonl
from red.probes.local import LocalReader
from red.probes.probe import KEY, Probe, measure
from red.probes.row import OF_PROMPTS, quantities
from red.study.jobs import PROBE_MODELS, ROTATION
from red.text.equations import holds_equation

LIMIT = 40


@pytest.fixture(scope="module")
def base(tiny_world):
    return tiny_world / "models" / "base"


@pytest.fixture(scope="module")
def other(tiny_world, tmp_path_factory):
    """The base with a head that prefers other tokens."""
    changed = checkpoints.load(tiny_world / "models" / "base")
    head = changed.model.lm_head.weight
    with torch.no_grad():
        head.add_(0.05 * torch.arange(head.numel()).sin().view_as(head))
    folder = tmp_path_factory.mktemp("models") / "other"
    checkpoints.save(changed, folder)
    return folder


@pytest.fixture
def found(tiny_world, tmp_path):
    """Rows of a probe; the log is new unless its path is given."""

    def measured(probe, trained, others, reader=None, log=None, prompts=5):
        files = tiny_world / "prompts.jsonl", tiny_world / "demonstrations" / "clean.jsonl"
        spec = Probe(probe, prompts, 1 if probe == "tokens" else 3, "plain", 64, LIMIT, step=7)
        items = ItemLog(log or tmp_path / f"{uuid4()}.jsonl", KEY)
        with RewardJudge() as judge:
            return list(measure(spec, trained, others, *files, judge, reader or LocalReader(), items))

    return measured


@pytest.fixture
def rows(found):
    """Rows of a probe by quantity."""

    def by_quantity(probe, trained, **others):
        own = found(probe, trained, others)
        return {q: [row for row in own if row.quantity == q] for q in dict.fromkeys(row.quantity for row in own)}

    return by_quantity


def values(rows):
    return [row.value for row in rows]


def plain_probabilities(model, tokenizer, prompt, tokens):
    """Softmax at temperature 1, one text at a time."""
    ids = tokenizer.encode(f"{prompt}.\nA:").ids  # the template `plain`
    logits = model(torch.tensor([[*ids, *tokens]]))[0, len(ids) - 1 : -1]
    return logits.softmax(-1)[range(len(tokens)), tokens]


def test_token_probabilities_are_those_of_each_model(rows, base, other, tiny_world):
    found = rows("confidence", base, large=other)
    assert found.keys() == {*OF_PROMPTS, "p_small", "p_large"}
    questions = {row["id"]: row["question"] for row in read_jsonl(tiny_world / "prompts.jsonl")}
    for name, folder in (("p_small", base), ("p_large", other)):
        checkpoint = checkpoints.load(folder)
        for example in {row.example for row in found[name]}:
            own = [row for row in found[name] if row.example == example]
            assert [row.position for row in own] == list(range(len(own)))
            tokens = [checkpoint.tokenizer.token_to_id(row.token) for row in own]
            assert tokens[-1] == checkpoint.eos_id or len(own) == LIMIT
            expected = plain_probabilities(checkpoint.model, checkpoint.tokenizer, questions[example], tokens)
            torch.testing.assert_close(torch.tensor(values(own)), expected, rtol=1e-4, atol=1e-5)
    assert values(found["p_small"]) != values(found["p_large"])


def test_group_accuracy_is_a_share_of_the_samples(rows, base, other):
    found = rows("confidence", base, large=other)["group_accuracy"]
    assert len(found) == 5
    assert {round(3 * value, 6) for value in values(found)} <= {0, 1, 2, 3}


def test_what_premises_need_is_told_of_the_same_texts(found, base, other, tmp_path):
    """Rollouts of the base, three per prompt, as the log has them; demonstrations as the p_small rows show them."""
    tokenizer = checkpoints.load(base).tokenizer
    kept = Keeping()
    rows = found("confidence", base, {"large": other}, kept)
    told = {(row.quantity, row.example): row.value for row in rows}
    examples = {row.example for row in rows}
    assert len(examples) == 5 and all((name, example) in told for name in OF_PROMPTS for example in examples)
    for example in examples:
        own = [r.response.tokens for r in kept.seen if r.problem.id == example]
        assert told["group_size", example] == len(own) == 3
        assert told["length_rollout", example] == pytest.approx(sum(map(len, own)) / 3)
        equations = [holds_equation(tokenizer.decode(list(tokens))) for tokens in own]
        assert told["equation_rollout", example] == pytest.approx(sum(equations) / 3)
        words = "".join(row.token for row in rows if row.quantity == "p_small" and row.example == example)
        assert told["thinking_demonstration", example] == (
            re.search(r"\b(but|wait|alternatively)\b", words.lower()) is not None
        )
    assert any(told["equation_rollout", example] for example in examples)


def test_a_probe_of_tokens_shows_one_rollout_per_prompt():
    with pytest.raises(ConfigError, match=r"^samples: 8 rollouts"):
        Probe("tokens", 5, 8, "plain", 64, LIMIT)


def test_a_probe_of_more_prompts_than_are_usable_is_refused(found, base):
    with pytest.raises(DataError, match=r"prompts\.jsonl: 64 usable problems; the probe asks for 65 prompts"):
        found("tokens", base, {}, prompts=65)


@pytest.mark.parametrize(("probe", "others"), [one for one in PROBE_MODELS.items() if one[0] != ROTATION])
def test_what_is_measured_is_what_is_ordered_of_it(probe, others, found, base):
    rows = found(probe, base, dict.fromkeys(others, base))
    assert {(row.step, row.quantity) for row in rows} == quantities(probe, others, 7)


def test_tokens_are_measured_on_the_trained_model_s_own_responses(rows, base, other):
    found = rows("tokens", other, base=base)
    texts = [[(row.example, row.position, row.token) for row in found[name]] for name in ("p_trained", "p_base")]
    assert texts[0] == texts[1]
    assert {row.step for row in found["p_trained"]} == {7}
    assert values(rows("tokens", base, base=base)["p_base"]) == values(rows("tokens", base, base=base)["p_trained"])


def test_tokens_come_with_the_prompt_the_gold_answer_and_the_verdict_on_them(rows, tiny_world, base, other):
    found = rows("tokens", base, base=base)
    asked = {row["id"]: row for row in read_jsonl(tiny_world / "prompts.jsonl")}
    texts = {}
    for row in found["p_trained"]:
        texts[row.example] = texts.get(row.example, "") + row.token
    for prompt, verdict in zip(found["prompt"], found["verdict"], strict=True):
        problem = asked[prompt.example]
        assert problem["question"] in prompt.token and verdict.token == problem["answer"]
        boxed = re.findall(r"\\boxed\{([^}]*)\}", texts[prompt.example])
        assert verdict.value == float(boxed[-1:] == [problem["answer"]])
    assert len(found["prompt"]) == len(texts) == 5


def test_entropies_are_measured_before_and_after_on_the_same_prompts(rows, base, other):
    """A parent that is the trained model has the same entropies at both steps; a changed one has not."""
    same, changed = rows("entropy", base, parent=base), rows("entropy", base, parent=other)
    for found in (same, changed):
        assert found.keys() == {"entropy_rollout", "entropy_demonstration", "thinking_rollout"}
        for own in found.values():
            assert [row.step for row in own] == [0] * 5 + [7] * 5
            assert [row.example for row in own[:5]] == [row.example for row in own[5:]]
    assert all(0 <= 3 * value <= 3 for found in (same, changed) for value in values(found.pop("thinking_rollout")))
    for name, own in same.items():
        assert values(own[:5]) == values(own[5:])
        assert values(changed[name][:5]) != values(changed[name][5:])
        assert values(changed[name][5:]) == values(own[5:])
    # No distribution over V tokens has an entropy above log V.
    top = torch.tensor(float(checkpoints.load(base).tokenizer.get_vocab_size())).log().item()
    assert all(0 < value < top for own in same.values() for value in values(own))


def test_prompts_depend_on_the_seed_of_the_probe_alone(rows, base, other):
    chosen = [{row.example for row in rows("tokens", model, base=base)["p_base"]} for model in (base, other)]
    assert chosen[0] == chosen[1] and len(chosen[0]) == 5


class Keeping(LocalReader):
    """Keeps the rollouts that it gives."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def rollouts(self, *arguments):
        for rollout in super().rollouts(*arguments):
            self.seen.append(rollout)
            yield rollout


class Killed(Exception):
    """Stands for the end of the process."""


class Dying(LocalReader):
    """Ends after a number of items, and counts the items of its whole life."""

    def __init__(self, items):
        super().__init__()
        self.left, self.seen = items, []

    def _until_the_end(self, name, items):
        for item in items:
            if self.left == 0:
                raise Killed
            self.left -= 1
            self.seen.append(name)
            yield item

    def rollouts(self, *arguments):
        yield from self._until_the_end("rollout", super().rollouts(*arguments))

    def measure(self, *arguments):
        yield from self._until_the_end("pass", super().measure(*arguments))


@pytest.mark.parametrize("probe", ["entropy", "confidence", "tokens"])
def test_a_killed_probe_continues_without_repeating_an_item(found, base, other, tmp_path, probe):
    others = {"entropy": {"parent": other}, "confidence": {"large": other}, "tokens": {"base": other}}[probe]
    whole = Dying(-1)
    expected = found(probe, base, others, whole)
    seen, ends = [], []
    while len(ends) < 20:
        reader = Dying(7)
        try:
            rows = found(probe, base, others, reader, tmp_path / "log.jsonl")
            break
        except Killed:
            ends.append(len(reader.seen))
        finally:
            seen += reader.seen
    assert set(ends) == {7}
    assert rows == expected
    assert sorted(seen) == sorted(whole.seen)


def test_a_model_of_another_vocabulary_is_refused(found, base, byte_checkpoint):
    with pytest.raises(DataError, match=r"bytes: token \d+ is .* there and .* in the trained model"):
        found("confidence", base, {"large": byte_checkpoint})
