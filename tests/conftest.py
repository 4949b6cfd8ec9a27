"""What tests of several areas stand on: the stores, and how properties are tried."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.stores import REDIS, VALKEY, Place, Server

# How long an example takes depends on what else the cores do: properties are about results, not about time.
settings.register_profile("shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-cores")

# A job in the background is started with Ctrl-C ignored and hands that on to what it starts; some tests send one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    server = Server(VALKEY, tcp=True, lasting=True).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    server = Server(REDIS, tcp=True, lasting=True).start()
    yield server
    server.stop()


@pytest.fixture(params=[VALKEY, REDIS])
def store(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace of its own on each of the servers: for what depends on the server."""
    server: Server = request.getfixturevalue("valkey_server" if request.param == VALKEY else "redis_server")
    place = Place(server)
    yield place
    place.clear()


@pytest.fixture
def valkey(valkey_server: Server) -> Iterator[Place]:
    """A namespace of its own on the newest server: for what only needs a log."""
    place = Place(valkey_server)
    yield place
    place.clear()
