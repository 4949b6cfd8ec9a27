"""Plain log lines: drawing a traceback with all its locals takes seconds, and some tests here break things."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(),
        ]
    )
    yield
    structlog.configure(**before)
