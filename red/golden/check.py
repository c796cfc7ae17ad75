"""Checks a file of worked numbers (schema red-golden/1) against the code that the methods use."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from red.errors import DataError
from red.golden import losses, rules
from red.golden.losses import Case

TOLERANCE = 1e-10
DIGITS = 1e-12  # relative, for numbers that float64 does not hold to the tolerance: a w without upper bound
SCHEMA = "red-golden/1"


@dataclass(frozen=True)
class Result:
    """Outcome of one case; `problem` is empty when it passed."""

    id: str
    kind: str
    problem: str


def check(document: Mapping[str, Any], where: str = "golden") -> list[Result]:
    """Check every case. An unknown kind or a computation that fails is a failed case; DataError begins with `where`."""
    if document.get("schema") != SCHEMA:
        raise DataError(f"{where}: schema is {document.get('schema')!r}; this program reads {SCHEMA!r}")
    cases = document.get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else [None]):
        texts = [case.get(key) for key in ("id", "kind")] if isinstance(case, Mapping) else [None]
        if not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}: cases: entry {index}: expected an object with the texts id and kind")
    return [_check_case(case) for case in document["cases"]]


def summary(results: list[Result]) -> str:
    """One line per kind with passed and failed, then one line per failure."""
    passed = Counter(r.kind for r in results if not r.problem)
    failed = Counter(r.kind for r in results if r.problem)
    lines = [f"{kind:14} {passed[kind]:3} passed {failed[kind]:3} failed" for kind in sorted({r.kind for r in results})]
    return "\n".join(lines + [f"FAILED {r.id}: {r.problem}" for r in results if r.problem])


def _check_case(case: Case) -> Result:
    compute = KINDS.get(case["kind"])
    if compute is None:
        return Result(case["id"], case["kind"], f"unknown kind {case['kind']!r}")
    try:
        problem = difference(case["expected"], compute(case))
    except Exception as error:  # what a wrong number does to a computation is the result
        problem = f"{type(error).__name__}: {error}"
    return Result(case["id"], case["kind"], problem)


def difference(expected: Any, found: Any, path: str = "expected") -> str:
    """Where `found` first departs from `expected` by more than the tolerance; empty if nowhere."""
    if isinstance(expected, Mapping):
        for key in expected:
            if key not in found:
                return f"{path}.{key}: not computed"
            if problem := difference(expected[key], found[key], f"{path}.{key}"):
                return problem
        return ""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return f"{path}: expected {expected!r}, found {found!r}"
        pairs = zip(expected, found, strict=True)
        return next((p for i, (e, f) in enumerate(pairs) if (p := difference(e, f, f"{path}[{i}]"))), "")
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return "" if expected == found else f"{path}: expected {expected!r}, found {found!r}"
    close = math.isclose(expected, found, rel_tol=DIGITS, abs_tol=TOLERANCE)
    return "" if close else f"{path}: expected {expected!r}, found {found!r}"


KINDS: Mapping[str, Callable[[Case], dict[str, Any]]] = {
    "loss": losses.loss,
    "w_schedule": rules.w_schedule,
    "mu_schedule": rules.mu_schedule,
    "step_entropy": rules.step_entropy,
    "rho_table": rules.rho_table,
    "kappa_table": rules.kappa_table,
    "entropy_sign": rules.entropy_sign,
    "overlong": rules.overlong,
    "relift_buffer": rules.relift_buffer,
    "bread_eas": rules.bread_eas,
    "sasr": rules.sasr,
    "prefix_schedule": rules.prefix_schedule,
    "trapo_groups": rules.trapo_groups,
    "uft_hint": rules.uft_hint,
    "gac_mu": rules.gac_mu,
    "gac_statistics": rules.gac_statistics,
    "clip_ratio": rules.clip_ratio,
    "rotation": rules.rotation,
}
