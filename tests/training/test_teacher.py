"""What a teacher reads, where its weights are, and whose opinion is none."""

from pathlib import Path

import pytest
import torch
from tokenizers import AddedToken

from red import engines
from red.errors import ConfigError, DataError
from red.methods.base import Group, Problem, Sequence, Teacher
from red.models import checkpoint
from red.models.passes import Pass
from red.training.files import RunFiles
from red.training.update import taught
from tests.training import toy

MODEL, ITSELF, CURRENT = Teacher("model"), Teacher("itself"), Teacher("itself", "current")
TAUGHT, BARE = Problem("1", (5, 6), "7", (8, 9, 1)), Problem("2", (5, 7), "7")


def files(root: Path, given: Path | None = None) -> RunFiles:
    return RunFiles(root / "base", root / "p", root / "d", root / "run", teacher=given)


def test_another_model_reads_what_the_policy_read_and_itself_the_demonstration_before():
    assert MODEL.prompt(TAUGHT, (5, 6, 3)) == (5, 6, 3)
    assert ITSELF.prompt(TAUGHT, (5, 6, 3)) == (5, 6, 8, 9, 1, 5, 6, 3)
    assert MODEL.prompt(BARE, (5, 7)) == (5, 7) and ITSELF.prompt(BARE, (5, 7)) is None


def test_it_is_asked_of_the_used_members_that_it_can_read():
    """The second member is not used, the third has no demonstration, the last is too long."""
    responses = (2, 1), (2, 3, 1), (4, 1), (2,) * 6
    rollouts = [Sequence(TAUGHT.prompt, r, 1.0, 1.0) for r in responses]
    groups = [Group(TAUGHT, (*rollouts[:2],)), Group(BARE, (rollouts[2],)), Group(TAUGHT, (rollouts[3], rollouts[0]))]
    asked = []

    def measure(sequences):
        asked.extend(sequences)
        longest = max(len(s.response) for s in sequences)
        logp = -torch.arange(1.0, len(sequences) * longest + 1).view(len(sequences), longest)
        return Pass(logp, logp, torch.ones_like(logp))

    found = taught(ITSELF, groups, [True, False, True, True, True], 12, measure)
    assert [(s.prompt, s.response) for s in asked] == [((5, 6, 8, 9, 1, 5, 6), (2, 1))] * 2
    assert found.shape == (4, 6)
    assert found[0, :2].tolist() == [-1, -2] and found[3, :2].tolist() == [-3, -4]
    assert found[[0, 3]][:, 2:].isnan().all() and found[1:3].isnan().all()
    # Seven tokens and six: that fits a window of 13, and a model that says nothing of its own.
    for window in (None, 13):
        found = taught(ITSELF, groups, [True, False, True, True, True], window, measure)
        assert found[2].tolist() == [-7, -8, -9, -10, -11, -12] and found[1].isnan().all()


def test_who_has_nothing_to_say_is_not_asked():
    groups = [Group(BARE, (Sequence(BARE.prompt, (4, 1), 1.0, 1.0),))]
    found = taught(ITSELF, groups, [True], None, lambda _: pytest.fail("asked"))
    assert found.shape == (1, 2) and found.isnan().all()


def test_weights_are_the_parents_the_given_ones_or_those_of_the_policy(tmp_path):
    toy.write_world(tmp_path)
    given = files(tmp_path, tmp_path / "teacher")
    assert given.frozen(None) is None and given.frozen(CURRENT) is None
    assert given.frozen(ITSELF) == tmp_path / "base"
    assert given.frozen(MODEL) == tmp_path / "teacher"


def test_another_tokenizer_is_refused_in_one_line(tmp_path):
    toy.write_world(tmp_path)
    other = toy.base("teacher")
    other.codec.tokenizer.add_tokens([AddedToken("Perhaps ", normalized=False)])
    checkpoint.save(other, tmp_path / "other")
    with pytest.raises(DataError) as refused:
        files(tmp_path, tmp_path / "other").frozen(MODEL)
    line = str(refused.value)
    assert "other: another tokenizer than " in line and "1 tokens differ, the first is 'Perhaps '" in line
    assert line.endswith("take a model of the same family") and "\n" not in line


def test_a_method_that_distils_a_model_wants_one(tmp_path):
    toy.write_world(tmp_path)
    with pytest.raises(ConfigError, match="--teacher: opd reads the log-probabilities of another model"):
        engines.train(toy.run_spec("opd", {}), files(tmp_path), lambda *_: None)
