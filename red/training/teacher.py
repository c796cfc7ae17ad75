"""The teacher of a training: where its weights are, and what it thinks of the tokens that were sampled."""

from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from red.errors import DataError
from red.methods.base import Group, Sequence, Teacher
from red.models.folder import read_tokenizer
from red.models.passes import Pass
from red.training.files import RunFiles


def frozen(teacher: Teacher | None, files: RunFiles) -> Path | None:
    """Folder of the weights that stay as they are; None where there is no teacher or the policy is its own.

    DataError if its tokens are not the policy's.
    """
    if teacher is None or teacher.is_policy:
        return None
    if teacher.who == "itself":
        return files.parent
    assert files.teacher is not None, "checked by red.engines.train"
    check_tokens(files.teacher, files.parent)
    return files.teacher


def check_tokens(teacher: Path, policy: Path) -> None:
    """DataError unless both models give every token the same number."""
    theirs, ours = (read_tokenizer(folder).get_vocab(with_added_tokens=True) for folder in (teacher, policy))
    other = sorted(token for token in theirs.keys() | ours.keys() if theirs.get(token) != ours.get(token))
    if other:
        raise DataError(
            f"{teacher}: another tokenizer than {policy}: {len(other)} tokens differ, the first is {other[0]!r}; "
            "take a teacher of the same family"
        )


def log_probabilities(
    teacher: Teacher, groups: Seq[Group], used: Seq[bool], window: int | None, measure: Callable[[Seq[Sequence]], Pass]
) -> Tensor:
    """(S, T) of the used members' responses under the teacher; NaN where it has nothing to say or cannot read so much.

    `used` is by member, in group order; `window` is in tokens.
    """
    pairs = [(group.problem, member) for group in groups for member in group.members]
    members = [pair for pair, is_used in zip(pairs, used, strict=True) if is_used]
    asked = []
    for row, (problem, member) in enumerate(members):
        prompt = teacher.prompt(problem, member.prompt)
        if prompt is not None and (window is None or len(prompt) + len(member.response) <= window):
            asked.append((row, replace(member, prompt=prompt)))
    found = torch.full((len(members), max(len(member.response) for _, member in members)), torch.nan)
    if asked:
        logp = measure([member for _, member in asked]).measured().logp
        found[[row for row, _ in asked], : logp.shape[1]] = logp
    return found
