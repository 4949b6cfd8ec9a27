"""A place to configure."""

from pathlib import Path

import pytest

from tests.settings.configured import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
