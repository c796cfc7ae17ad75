"""Which run was trained on which corrupted demonstrations, read from the names of the runs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.measures.compare import full_name
from red.tables.reader import Run

LABELS = {
    "clean": "Clean",
    "noisy_labels": "Noisy labels",
    "adversarial_chains": "Adversarial chains",
    "permuted_accuracy": "Permuted group accuracy",
}
DEFAULT_RATE = 20
_NAME = re.compile(rf"(?P<parent>\w+?)_(?P<kind>{'|'.join(LABELS)})(?:_q(?P<rate>\d+))?")


@dataclass(frozen=True)
class Corruption:
    """`parent`: the run on clean demonstrations, by its full name. `rate`: corrupted prompts in percent."""

    run: Run
    parent: str
    kind: str
    rate: int


def corruptions(runs: Iterable[Run]) -> list[Corruption]:
    """One entry per run; a run whose name has no corruption is `clean` at rate 0.

    `<parent>_<kind>_q05` is 5 %; without `_q` the rate is 20 %, the default of the study.
    """
    matches = [(run, _NAME.fullmatch(run.name)) for run in runs]
    return [
        Corruption(run, match["parent"], match["kind"], int(match["rate"] or DEFAULT_RATE))
        if match
        else Corruption(run, full_name(run), "clean", 0)
        for run, match in matches
    ]
