"""Stores behind Sentinels, in a cluster, and over TLS: found, and found again when they move."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from portero.errors import StoreError
from portero.log import Timers, WorkQueue
from portero.log.keys import Keys
from tests.log.support import NOW, append, background, everything, following, opened, until, write
from tests.stores import REDIS, VALKEY, Place, Server, binary, eventually, free_port


@contextmanager
def started(*servers: Server) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
        for server in servers:
            server.start()
        yield


# --- Sentinel -------------------------------------------------------------------------------------------------------


@contextmanager
def sentinel(kind: str, primary: Server, folder: Path) -> Iterator[int]:
    """A Sentinel of its own that watches ``primary`` as ``main``; gives its port."""
    port = free_port()
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 3000\n"
    )
    with (folder / "sentinel.log").open("wb") as log:
        process = subprocess.Popen([binary(kind), str(config), "--sentinel"], stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", [VALKEY, REDIS])
async def test_behind_sentinels_the_new_primary_is_found_after_a_failover(kind: str, tmp_path: Path) -> None:
    one, two = Server(kind, tcp=True), Server(kind, tcp=True)
    with started(one, two), sentinel(kind, one, tmp_path) as port:
        two.redis.execute_command("REPLICAOF", "127.0.0.1", str(one.port))
        eventually(lambda: two.redis.info("replication")["master_link_status"] == "up", "the replica follows")
        watcher = Redis(port=port, decode_responses=True)
        eventually(lambda: len(watcher.sentinel_slaves("main")) == 1, "the Sentinel knows the replica")
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/main"
        async with opened(Place(one), url=url) as log, following(log) as (_, seen):
            await append(log, write("call/a", 0))
            one.redis.wait(1, 1000)
            one.kill()
            await until(lambda: log.away is not None, "the log is away")
            await until(lambda: log.away is None, "the log is back", 30)
            await append(log, write("call/a", 1))
            assert (await log.head()).seq == 2
            await until(lambda: len(seen) == 2, "the follower has moved too")
            assert two.redis.role()[0] == "master"
            assert (await log.health()).reached == "sentinel"
        watcher.close()


async def test_sentinels_that_do_not_know_the_service_are_told_apart_from_those_away(tmp_path: Path) -> None:
    server = Server(VALKEY, tcp=True)
    with started(server), sentinel(VALKEY, server, tmp_path) as port:
        eventually(lambda: _answers(port), "the Sentinel answers")
        with pytest.raises(StoreError, match="no service named 'other'"):
            async with opened(Place(server), url=f"redis+sentinel://127.0.0.1:{port}/other"):
                raise AssertionError("it was opened")


def _answers(port: int) -> bool:
    with Redis(port=port) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


# --- cluster --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [VALKEY, REDIS])
async def test_in_a_cluster_the_node_of_our_slot_is_found_and_found_again_when_the_slot_moves(kind: str) -> None:
    nodes = [
        Server(kind, tcp=True, settings={"cluster-enabled": "yes", "cluster-port": str(free_port())}) for _ in range(2)
    ]
    with started(*nodes):
        place = Place(nodes[0])
        slot = Keys(place.name).slot
        assert nodes[0].redis.execute_command("CLUSTER", "KEYSLOT", place.key("log")) == slot
        nodes[0].redis.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        nodes[0].redis.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, nodes[1].settings["cluster-port"])
        for node in nodes:
            eventually(lambda node=node: _is_ok(node), "the cluster is formed")
        url = f"redis+cluster://127.0.0.1:{nodes[1].port}"
        async with opened(place, url=url) as log, following(log) as (_, seen):
            done: list[str] = []

            async def work(pointer: object) -> None:
                done.append("work")

            async def ring(aggregate: str) -> None:
                done.append("timer")

            await append(log, write("call/a", 0, timer=NOW, work=("w",)), write("call/b", 0), blobs={"k": b"v"})
            assert await log.blob("k") == b"v"
            async with (
                background(WorkQueue(log, "w", lambda: NOW).run(work)),
                background(Timers(log, ring, lambda: NOW).run()),
            ):
                await until(lambda: sorted(done) == ["timer", "work"], "work and timers are found")
            await log.save_snapshot(b"x", 1, "1-0")
            health = await log.health()
            assert (health.reached, health.cluster) == ("cluster", True)
            _move_slot(nodes, slot)
            await until(lambda: log.away is None, "the log is there")
            assert (await append(log, write("call/a", 1))).first == 3
            assert len(await everything(log)) == 3
            await until(lambda: len(seen) == 3, "the follower has moved too")
            assert (await log.head()).seq == 3
        assert nodes[1].redis.dbsize() > 0


def _is_ok(node: Server) -> bool:
    info = node.redis.execute_command("CLUSTER", "INFO")
    text = info if isinstance(info, str) else "\n".join(f"{key}:{value}" for key, value in info.items())
    return "cluster_state:ok" in text and "cluster_known_nodes:2" in text


def _move_slot(nodes: list[Server], slot: int) -> None:
    """As a resharding does it, all at once."""
    one, two = nodes
    ids = [node.redis.execute_command("CLUSTER", "MYID") for node in nodes]
    two.redis.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    one.redis.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    keys = one.redis.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
    one.redis.execute_command("MIGRATE", "127.0.0.1", two.port, "", 0, 5000, "KEYS", *keys)
    for node in (two, one):
        node.redis.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    openssl = shutil.which("openssl")
    assert openssl is not None
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path / "cert.pem", tmp_path / "key.pem"


async def test_over_tls_with_the_certificate_checked(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    port = free_port()
    settings = {
        "tls-port": str(port),
        "tls-cert-file": str(cert),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(cert),
        "tls-auth-clients": "no",
    }
    server = Server(REDIS, settings=settings)
    with started(server):
        place = Place(server)
        async with (
            opened(place, url=f"rediss://localhost:{port}?ssl_ca_certs={cert}") as log,
            following(log) as (_, seen),
        ):
            await append(log, write("call/a", 0), blobs={"k": b"v"})
            assert await log.blob("k") == b"v"
            await until(lambda: len(seen) == 1, "the follower reads over TLS too")
        with pytest.raises(StoreError, match="certificate verify failed"):
            async with opened(place, url=f"rediss://localhost:{port}"):
                raise AssertionError("it was opened")
