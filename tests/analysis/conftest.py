"""Every item, built from the invented study at most once."""

from functools import cache

import pytest

from analysis.listing import builder
from red.tables.reader import Tables


@pytest.fixture(scope="session")
def build(study: Tables):
    """build(name): the item made from the small study."""
    return cache(lambda name: builder(name)(study))
