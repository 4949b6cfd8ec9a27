"""One victim for all tests of this process; and, after ``make fuzz``, how much was tried."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.effort import UNTIL, tried
from tests.fuzz.victim import Victim, open_victim, started


@pytest.fixture(scope="session")
def victim() -> Iterator[Victim]:
    with tempfile.TemporaryDirectory() as folder, open_victim(Path(folder)) as place:
        yield started(place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if math.isfinite(UNTIL):
        terminalreporter.write_line("tried: " + ", ".join(f"{count:,} {what}" for what, count in tried.items()))
