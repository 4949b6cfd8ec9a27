"""Logs for the tests of the log."""

from collections.abc import AsyncIterator

import pytest

from portero.log import Log
from tests.log.support import opened
from tests.stores import Place


@pytest.fixture
async def log(store: Place) -> AsyncIterator[Log]:
    """A new log on each of the servers."""
    async with opened(store) as log:
        yield log
