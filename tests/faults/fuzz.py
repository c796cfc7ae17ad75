"""Any input: how a property is tried, and how a file or a document is spoiled. `make faults` tries many examples."""

import copy
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from red.errors import RedError, one_line
from tests.faults.case import named
from tests.faults.record import SEED

# The profile is that of tests/conftest.py, unless the command line names the campaign's.
IS_CAMPAIGN = settings.get_current_profile_name() == "campaign"
EXAMPLES = 2000 if IS_CAMPAIGN else 15
SECONDS = 30  # of one call; more is a hang

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["sft", "red", "sft@2", "1e-3", "", "../x", 0, 1, -1, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def holds(name: str, examples: int = EXAMPLES, **strategies: Any) -> Callable[[Callable], Callable]:
    """A property that is tried with many examples, the same ones each time."""

    def decorate(check: Callable) -> Callable:
        # A fixture that lasts longer than an example is fine here: nothing changes it.
        limits = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        return named(f"any input: {name}")(limits(seed(SEED)(given(**strategies)(check))))

    return decorate


def refused_or(call: Callable[[], Any]) -> Any:
    """What a call returns, or None where it says in one line what is wrong; anything else, a hang too, is a finding."""
    try:
        with _soon():
            return call()
    except (RedError, OSError) as error:
        assert len(one_line(error).splitlines()) == 1
        return None


@contextmanager
def _soon() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise AssertionError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def folder() -> Iterator[Path]:
    """An empty one for one example."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def mutated(content: bytes, draw: st.DataObject) -> bytes:
    """Some bytes replaced, inserted or cut."""
    edited = bytearray(content)
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, max(len(edited) - 1, 0)))
        match draw.draw(st.sampled_from("ricd")):
            case "r" if edited:
                edited[place] = draw.draw(st.integers(0, 255))
            case "i":
                edited[place:place] = draw.draw(st.binary(min_size=1, max_size=8))
            case "c":
                del edited[place:]
            case "d":
                del edited[place : place + draw.draw(st.integers(1, 30))]
    return bytes(edited)


def altered(document: Any, draw: st.DataObject, keys: tuple[str, ...] = ()) -> Any:
    """A copy with one to three values anywhere replaced, added (under `keys` too) or removed."""
    document = copy.deepcopy(document)
    for _ in range(draw.draw(st.integers(1, 3))):
        inside = [place for place in _places(document) if place]
        if not inside:
            return draw.draw(VALUES)
        place = draw.draw(st.sampled_from(inside))
        owner: Any = document
        for key in place[:-1]:
            owner = owner[key]
        action = draw.draw(st.sampled_from(("replace", "replace", "add", "remove")))
        if action == "remove":
            del owner[place[-1]]
        elif action == "add" and isinstance(owner, dict):
            owner[draw.draw(st.sampled_from((place[-1], *keys)) | st.text(max_size=5))] = draw.draw(VALUES)
        else:
            owner[place[-1]] = draw.draw(VALUES)
    return document


def _places(value: Any, path: tuple = ()) -> list[tuple]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in below for place in _places(part, (*path, key)))]
