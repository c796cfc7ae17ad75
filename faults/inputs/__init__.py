"""Bad input: each case with the one line that must come out."""

from faults.case import Case
from faults.inputs import benchmarks, config, data, models, places, tables

KIND = "bad input"


def cases(seed: int) -> list[Case]:
    """All of this class; none of them is random."""
    parts = (config, data, models, benchmarks, tables, places)
    return [case for part in parts for case in part.cases(KIND)]
