"""The server around the endpoint: slow clients, taken ports, certificates, an orderly end."""

import asyncio
import datetime
import ipaddress
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portero.errors import ConfigError
from portero.gateway.http.serve import HttpServer, Listen, open_socket
from portero.gateway.options import Options
from tests.gateway.house import House, last_message, open_house, raw, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAD = (
    b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token-of-default\r\n"
    b"content-type: application/json\r\n"
)
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def waiting_for(file: Path) -> dict[str, Any]:
    return {"name": "fixture/wait", "arguments": {"file": str(file)}}


def impatient(listen: Listen) -> Listen:
    return attrs.evolve(listen, request_seconds=0.3)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /mcp HT",
        HEAD,
        HEAD + b"content-length: 100\r\n\r\n",
        HEAD + b"content-length: 100\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
async def test_a_request_that_does_not_end_is_cut_off(begun: bytes) -> None:
    async with open_house(listen=impatient) as house:
        began = time.monotonic()
        answer = await raw(house, begun)
        assert time.monotonic() - began < 3
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == -32600
        await wait_until(lambda: house.gateway.in_flight() == 0, "nothing is left of it")
        assert await other_clients_are_served(house)


async def test_a_request_that_was_refused_and_does_not_end_is_cut_off_without_a_word_more() -> None:
    async with open_house(listen=impatient) as house:
        begun = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{"
        answer = await raw(house, begun)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_connection_without_a_next_request_is_not_slow() -> None:
    async with open_house(listen=impatient) as house, house.caller() as caller:
        assert await caller.rpc("ping") == {}
        await asyncio.sleep(1)  # three times what a request may take to come in
        (connection,) = caller.http._transport._pool.connections  # type: ignore[attr-defined]
        assert connection.is_idle()
        assert await caller.rpc("ping") == {}
        assert caller.http._transport._pool.connections == [connection]  # type: ignore[attr-defined]


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    def short(listen: Listen) -> Listen:
        return attrs.evolve(listen, request_seconds=0.2, keep_alive_seconds=0.3)

    async with open_house(listen=short) as house, house.caller() as caller:
        file = house.folder / "go"
        assert await caller.rpc("ping") == {}
        calling = asyncio.create_task(caller.post("tools/call", waiting_for(file)))  # on the same connection
        ping = HEAD + b"content-length: %d\r\n\r\n" % len(PING) + PING
        began = time.monotonic()
        answer = await raw(house, ping + ping)  # returns when the server closes the connection
        assert answer.count(b'"result":{}') == 2
        assert 0.3 <= time.monotonic() - began < 5
        await asyncio.sleep(0.5)
        file.touch()
        assert "result" in last_message(await calling), "a call under way is not idle, however long it takes"


async def test_a_request_that_trickles_in_is_cut_off() -> None:
    """The client may not see the answer: it is still sending when the connection closes."""
    async with open_house(listen=impatient) as house:
        host, port = house.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD + b"content-length: 100000\r\n\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(trickle(), 5)


async def test_many_slow_clients_keep_nobody_out() -> None:
    async with open_house() as house:
        host, port = house.url.removeprefix("http://").split(":")
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
        for _, writer in slow:
            writer.write(HEAD + b"content-length: 100\r\n\r\n{")
        assert await other_clients_are_served(house)
        for _, writer in slow:
            writer.close()


async def test_a_slow_answer_is_not_a_slow_request() -> None:
    async with open_house(listen=impatient) as house, house.caller() as caller:
        file = house.folder / "go"
        calling = asyncio.create_task(caller.post("tools/call", waiting_for(file)))
        await asyncio.sleep(1)  # three times what a request may take to come in
        file.touch()
        assert "result" in last_message(await calling)
        assert await caller.rpc("ping") == {}, "the connection is still good"


async def other_clients_are_served(house: House) -> bool:
    async with house.caller() as caller:
        return await caller.rpc("ping") == {}


# --- stopping -------------------------------------------------------------------------------------------------------


async def test_calls_under_way_end_before_the_server_does() -> None:
    async with open_house() as house, house.caller() as caller:
        file = house.folder / "go"
        calling = asyncio.create_task(caller.post("tools/call", waiting_for(file)))
        await wait_until(lambda: house.gateway.in_flight() == 1, "the call runs")
        stopping = asyncio.create_task(house.stop())
        await asyncio.sleep(0.2)
        assert not stopping.done()
        file.touch()
        assert "result" in last_message(await calling)
        await asyncio.wait_for(stopping, 5)


async def test_a_call_that_does_not_end_does_not_keep_the_server() -> None:
    def hasty(listen: Listen) -> Listen:
        return attrs.evolve(listen, graceful_seconds=1)

    async with open_house(listen=hasty) as house, house.caller() as caller:
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/never", "arguments": {}}))
        await wait_until(lambda: house.gateway.in_flight() == 1, "the call runs")
        await asyncio.wait_for(house.stop(), 5)
        answer = last_message(await calling)
        assert "stops" in answer["error"]["message"]
        await wait_until(lambda: not house.view.calls.executing(), "its end is on the log")


async def test_too_many_requests_at_once_are_told_to_come_back() -> None:
    async with open_house(options=Options(port=0, max_in_flight=1)) as house, house.caller() as caller:
        file = house.folder / "go"
        calling = asyncio.create_task(caller.post("tools/call", waiting_for(file)))
        await wait_until(lambda: house.gateway.in_flight() == 1, "the call runs")
        busy = await caller.post("ping")
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, -32603)
        assert busy.headers["retry-after"] == "1"
        file.touch()
        assert "result" in last_message(await calling)


# --- starting -------------------------------------------------------------------------------------------------------


async def test_a_taken_port_is_said_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            open_socket(Listen("127.0.0.1", port))
    assert f"127.0.0.1:{port}" in str(refused.value)
    assert "PORT=" in str(refused.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "256.1.1.1"])
async def test_a_foreign_address_is_said_with_what_to_do(host: str) -> None:
    with pytest.raises(ConfigError, match="HOST"):
        open_socket(Listen(host, 0))


async def test_ipv6_is_listened_on_too() -> None:
    async with open_house(options=Options(port=0, host="::1")) as house:
        assert house.url.startswith("http://[::1]:")
        assert await other_clients_are_served(house)


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portero tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_https_is_served_with_the_certificate(certificate: tuple[Path, Path]) -> None:
    def secure(listen: Listen) -> Listen:
        return attrs.evolve(listen, certificate=certificate[0], key=certificate[1])

    async with open_house(listen=secure) as house:
        assert house.url.startswith("https://")
        context = ssl.create_default_context(cafile=certificate[0])
        async with httpx.AsyncClient(verify=context) as http:
            headers = {"authorization": "Bearer token-of-default", "content-type": "application/json"}
            response = await http.post(f"{house.url}/mcp", content=PING, headers=headers)
        assert response.json()["result"] == {}


@pytest.mark.parametrize("broken", ["missing", "nonsense", "swapped"])
async def test_a_certificate_that_cannot_be_used_is_said(
    certificate: tuple[Path, Path], tmp_path: Path, broken: str
) -> None:
    cert, key = certificate
    if broken == "missing":
        cert = tmp_path / "none.pem"
    elif broken == "nonsense":
        cert = tmp_path / "nonsense.pem"
        cert.write_text("nonsense")
    else:
        cert, key = key, cert
    listen = Listen("127.0.0.1", 0, cert, key)
    with open_socket(listen) as sock, pytest.raises(ConfigError, match="SSL_CERT_PATH"):
        HttpServer(never_called, listen, sock, before_stop=lambda: None)


async def never_called(*_: object) -> None:
    raise AssertionError("nothing is served")
