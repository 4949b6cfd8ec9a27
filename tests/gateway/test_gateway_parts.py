"""The small parts of the gateway by themselves."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.domain.ids import CallId, ClientId, Millis, Seq
from portero.errors import RpcError
from portero.gateway.calls.taskids import parse_task_id, task_id
from portero.gateway.exchange.reply import frame
from portero.gateway.http.auth import Clients, Credential, token_digest
from portero.gateway.http.origin import Origins
from portero.gateway.offer.pages import Pages
from portero.gateway.sealing import Sealer
from portero.gateway.times import iso, spoken

CALL = CallId("0123456789abcdef")


# --- tokens ---------------------------------------------------------------------------------------------------------


def clients() -> Clients:
    return Clients(
        [
            Credential(ClientId("one"), token_digest(b"first")),
            Credential(ClientId("two"), token_digest(b"second")),
            Credential(ClientId("two"), token_digest(b"new")),
        ]
    )


@pytest.mark.parametrize(("token", "client"), [(b"first", "one"), (b"second", "two"), (b"new", "two"), (b"none", None)])
def test_a_token_is_its_clients(token: bytes, client: str | None) -> None:
    known = clients()
    for _ in range(2):  # the second time it is remembered
        assert known.authenticate(b"Bearer " + token) == client


def test_a_digest_is_not_a_token() -> None:
    """Whoever reads the configuration cannot log in with it."""
    digest = hashlib.sha256(b"first").hexdigest().encode()
    assert clients().authenticate(b"Bearer " + digest) is None


def test_without_clients_nobody_gets_in() -> None:
    assert Clients([]).authenticate(b"Bearer ") is None
    assert Clients([]).authenticate(b"Bearer x") is None


def test_tokens_are_not_shown() -> None:
    assert "digest" not in repr(Credential(ClientId("one"), token_digest(b"first")))


# --- hosts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listens", "hosts", "host", "good"),
    [
        ("127.0.0.1", (), b"localhost:1", True),
        ("127.0.0.1", (), b"portero.lan", False),
        ("127.0.0.1", ("portero.lan",), b"Portero.LAN:8443", True),
        ("0.0.0.0", (), b"anything.example", True),  # noqa: S104
        ("0.0.0.0", ("portero.lan",), b"anything.example", False),  # noqa: S104
        ("0.0.0.0", ("portero.lan",), b"localhost", True),  # noqa: S104
        ("192.168.1.7", ("portero.lan",), b"192.168.1.7:8443", True),
        ("::1", (), b"[::1]:8443", True),
        ("127.0.0.1", (), b"", False),
        ("127.0.0.1", (), None, False),
        ("0.0.0.0", (), b"[::bad", False),  # noqa: S104
    ],
)
def test_hosts(listens: str, hosts: tuple[str, ...], host: bytes | None, good: bool) -> None:
    origins = Origins(listens, hosts)
    for _ in range(2):  # the second time it is remembered
        assert (origins.refusal(host, None) is None) is good


@pytest.mark.parametrize(
    ("listens", "named", "origin", "good"),
    [
        ("0.0.0.0", (), b"https://portero.lan:9", True),  # noqa: S104
        ("0.0.0.0", (), b"http://localhost", False),  # noqa: S104
        ("0.0.0.0", (), b"https://other.example", False),  # noqa: S104
        ("0.0.0.0", ("https://other.example",), b"https://other.example", True),  # noqa: S104
        ("0.0.0.0", ("https://other.example/",), b"HTTPS://OTHER.example", True),  # noqa: S104
        ("0.0.0.0", ("https://other.example",), b"http://other.example", False),  # noqa: S104
        ("0.0.0.0", (), b"null", False),  # noqa: S104
        ("0.0.0.0", (), b"", False),  # noqa: S104
    ],
)
def test_origins(listens: str, named: tuple[str, ...], origin: bytes, good: bool) -> None:
    assert (Origins(listens, (), named).refusal(b"portero.lan", origin) is None) is good


def test_strangers_do_not_fill_the_memory() -> None:
    origins = Origins("0.0.0.0")  # noqa: S104
    for number in range(1_000):
        assert origins.refusal(b"host%d" % number, None) is None
    assert len(origins._remembered) <= 64


# --- ids, cursors, times --------------------------------------------------------------------------------------------


@given(st.integers(min_value=0, max_value=2**62))
def test_a_task_id_comes_back_as_it_went(seq: int) -> None:
    assert parse_task_id(task_id(CALL, Seq(seq))) == (CALL, seq)


@pytest.mark.parametrize(
    "text", ["", "-", f"{CALL}-", CALL[1:], f"{CALL}-!", f"{CALL}-1-2", f"{CALL}{CALL}", f"{CALL}-00000000000000"]
)
def test_what_is_no_task_id(text: str) -> None:
    assert parse_task_id(text) is None


def test_a_calls_own_id_is_a_task_id() -> None:
    assert parse_task_id(f" {CALL.upper()}\n") == (CALL, 0)


PAGES = Pages(Sealer(b"of these tests"), 3)
ONE, TWO = ClientId("one"), ClientId("two")


@given(st.text())
def test_a_cursor_comes_back_as_it_went_for_its_list_and_client(name: str) -> None:
    made = PAGES.cursor("tools", ONE, name)
    assert PAGES.read("tools", ONE, made) == name
    for member, client in (("prompts", ONE), ("tools", TWO)):
        with pytest.raises(RpcError, match="not valid"):
            PAGES.read(member, client, made)


@given(st.text())
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(RpcError, match="not valid"):
        PAGES.read("tools", ONE, text)


def test_times_are_utc_with_milliseconds() -> None:
    assert iso(Millis(0)) == "1970-01-01T00:00:00.000Z"
    assert iso(Millis(1_785_542_400_123)) == "2026-08-01T00:00:00.123Z"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (99_000, "99 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (86_399_990, "24 h"),
        (86_400_000, "24 h"),
        (179_990, "3 min"),
        (8_640_000_000, "100 days"),
    ],
)
def test_lengths_of_time_are_said_roughly(milliseconds: int, text: str) -> None:
    assert spoken(milliseconds) == text


def test_an_event_is_one_line_whatever_the_upstream_wrote() -> None:
    assert frame(b'{\n "a": "b\\n c",\r\n "d": [1,\n2]}') == b'event: message\ndata: {"a":"b\\n c","d":[1,2]}\n\n'
