"""One victim for all tests of this process."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.victim import Victim, open_victim, started


@pytest.fixture(scope="session")
def victim() -> Iterator[Victim]:
    with tempfile.TemporaryDirectory() as folder, open_victim(Path(folder)) as place:
        yield started(place)
