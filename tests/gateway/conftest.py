"""One house for all tests that leave it as it is; each test is a client of its own."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.gateway.house import House, open_house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pair() -> AsyncIterator[tuple[House, House]]:
    """Two replicas on one log."""
    async with open_house() as one, open_house(beside=one) as two:
        yield one, two


_names = itertools.count()


@pytest.fixture
def name() -> str:
    """A Portero client that no other test of this process is."""
    return f"client{next(_names)}"
