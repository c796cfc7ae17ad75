"""Wrong responses are found once, in the order of the ranking, the same whenever the search was interrupted."""

import pytest

from red.data import wrong_responses as module
from red.data.corruption import ranked
from red.data.sources import Demonstration
from red.data.wrong_responses import BackendSearch, Task, WrongResponsesSpec, wrong_responses
from red.plumbing.item_log import ItemLog
from red.plumbing.storage import read_jsonl
from red.sampling.local import LocalBackend
from red.sampling.response import Response

IDS = [f"p{number}" for number in range(40)]
PROMPTS = [{"id": id, "question": "What is 1+1?", "answer": "2"} for id in IDS]
CLEAN = [Demonstration(id, "1+1=2. \\boxed{2}") for id in IDS]
WRONG, RIGHT, BARE = "1+1=3. \\boxed{3}", "1+1=2. \\boxed{2}", "1+1=3."


def judge(cases):
    return [float(f"\\boxed{{{gold}}}" in response) for response, gold, _ in cases]


class Scripted:
    """A backend whose model answers from a list: sample i of a prompt is the i-th text."""

    name = "scripted"

    def __init__(self, tokenizer, texts, end=1):
        self.tokenizer, self.texts, self.end = tokenizer, texts, end
        self.asked = []

    def load(self, checkpoint):
        self.bases = {}

    def generate(self, requests, sampling):
        for number, request in enumerate(requests):
            first = self.bases.setdefault(request.prompt, request.seed)
            index = request.seed - first
            self.asked.append(index)
            text, reason = self.texts[index]
            tokens = self.tokenizer.encode(text).ids
            yield number, Response([*tokens, self.end] if reason == "stop" else tokens, reason)

    def close(self):
        pass


@pytest.fixture
def search(byte_checkpoint):
    """A search over scripted samples."""

    def made(*texts):
        spec = WrongResponsesSpec(samples=len(texts), template="plain", backend="vllm")
        backend = Scripted(module.load_codec(byte_checkpoint).tokenizer, texts)
        return BackendSearch(spec, byte_checkpoint, judge, backend), backend

    return made


def task(length=12):
    return Task("p", (5, 6, 7), "2", length)


@pytest.mark.parametrize(
    ("texts", "found", "asked"),
    [
        ([(WRONG, "stop")] + 7 * [(RIGHT, "stop")], WRONG, [0]),
        ([(RIGHT, "stop"), (WRONG, "stop")] + 6 * [(RIGHT, "stop")], WRONG, [0, 1]),
        # Rounds of 1, 1, 2, 4: the fourth sample is in the third round, the fifth in the last.
        (3 * [(RIGHT, "stop")] + [(WRONG, "stop")] + 4 * [(RIGHT, "stop")], WRONG, [0, 1, 2, 3]),
        (4 * [(RIGHT, "stop")] + [(WRONG, "stop"), (WRONG + "!", "stop"), (RIGHT, "stop")], WRONG, [*range(7)]),
        (6 * [(RIGHT, "stop")], None, [*range(6)]),
        ([(WRONG, "length"), (BARE, "stop"), (WRONG, "stop")], WRONG, [0, 1, 2]),
    ],
)
def test_the_first_wrong_sample_is_taken_and_no_later_round_asked(search, texts, found, asked):
    one, backend = search(*texts)
    assert [text for _, text in one([task()])] == [found]
    assert backend.asked == asked


@pytest.mark.parametrize(("length", "is_found"), [(34, True), (35, False)])
def test_a_wrong_response_has_at_least_half_of_the_demonstration_s_length(search, length, is_found):
    """WRONG has 16 bytes and an end token."""
    one, _ = search((WRONG, "stop"))
    [(_, text)] = one([task(length)])
    assert (text == WRONG) is is_found


def test_a_response_may_be_twice_as_long_as_the_demonstration_and_no_longer_than_the_window(search):
    one, _ = search((WRONG, "stop"))
    assert one._request(task(10), 0).limit == 20
    assert one._request(task(1_000_000), 0).limit == one.window - 3


def found_with(monkeypatch, folder, log, rate, fail_after=None):
    """A search with the untrained model and the local backend, as if it were another engine."""
    asked = []

    class Counted(LocalBackend):
        def generate(self, requests, sampling):
            for item in super().generate(requests, sampling):
                asked.append(requests[item[0]].prompt)
                yield item

    monkeypatch.setattr(module, "open_backend", lambda name: Counted())
    monkeypatch.setattr(module, "CHUNK", 5)
    # Anything that ended counts, so that an untrained model has some.
    monkeypatch.setattr(module, "last_box", lambda text: text)
    calls = []

    def judged(cases):
        calls.append(1)
        if fail_after is not None and len(calls) > fail_after:
            raise KeyboardInterrupt
        return judge(cases)

    spec = WrongResponsesSpec(samples=3, rate=rate, backend="vllm")
    return wrong_responses(spec, PROMPTS, CLEAN, folder, judged, ItemLog(log, ("id",))), asked


def test_an_interrupted_search_continues_and_a_larger_rate_goes_on(monkeypatch, byte_checkpoint, tmp_path):
    whole, asked = found_with(monkeypatch, byte_checkpoint, tmp_path / "whole.jsonl", 0.8)
    order = [row.id for row in ranked(CLEAN, 1)]
    assert [row["id"] for row in whole] == [id for id in order if id in {row["id"] for row in whole}]
    with pytest.raises(KeyboardInterrupt):
        found_with(monkeypatch, byte_checkpoint, tmp_path / "log.jsonl", 0.8, fail_after=4)
    settled = len(list(read_jsonl(tmp_path / "log.jsonl")))
    assert settled
    again, rest = found_with(monkeypatch, byte_checkpoint, tmp_path / "log.jsonl", 0.8)
    assert again == whole
    assert len(rest) < len(asked)
    nothing, none = found_with(monkeypatch, byte_checkpoint, tmp_path / "log.jsonl", 0.8)
    assert (nothing, none) == (whole, [])
    few, _ = found_with(monkeypatch, byte_checkpoint, tmp_path / "few.jsonl", 0.1)
    more, _ = found_with(monkeypatch, byte_checkpoint, tmp_path / "few.jsonl", 0.8)
    assert few == whole[: len(few)] and more == whole
