"""The pipe to local servers is tried on both event loops: uvloop in production, asyncio where uvloop is not there."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import pytest
import uvloop

BOTH: Final = ("test_upstream_stdio.py", "test_upstream_processes.py")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.name in BOTH:
        factories["asyncio"] = asyncio.new_event_loop
    return factories
