"""One Portero for all clients, one wire for those of each module, and what holds for every byte on it."""

from collections.abc import Iterator

import pytest

from tests.clients.tap import Tap
from tests.clients.world import MAIL, NAME, World, open_world
from tests.system.reals import forms


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


@pytest.fixture(scope="module")
def tap(world: World) -> Iterator[Tap]:
    with Tap(world.place.port) as tap:
        yield tap


@pytest.fixture(autouse=True)
def no_client_sees_a_real(tap: Tap) -> Iterator[None]:
    """After each test: no form of a real in any byte that has gone to a client so far."""
    yield
    answered = tap.answered()
    for real in (NAME, MAIL):
        for form in forms(real):
            assert form not in answered, f"{form!r} is in {answered[max(0, answered.find(form) - 300) :][:400]!r}"
