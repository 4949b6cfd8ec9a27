"""Homes for the command: on a shared server, quick, and on the embedded store, as most people have it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.home import Home
from tests.stores import Place


@pytest.fixture
def home(valkey: Place, tmp_path: Path) -> Home:
    """A log of its own on a store that runs already."""
    return Home(tmp_path, valkey)


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A folder in which nothing has run yet; the store will be under it, and must not run any more afterwards."""
    home = Home(tmp_path_factory.mktemp("own"))
    yield home
    assert not home.store_runs()
