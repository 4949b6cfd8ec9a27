"""Session ids: sealed for their client, readable by every replica, and not to be made up."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.calls.asking import capabilities_of
from portero.domain.ids import ClientId
from portero.gateway.exchange.sessions import Sessions
from portero.gateway.sealing import Sealer
from projections import View

ADA, BOB = ClientId("ada"), ClientId("bob")


def sessions(key: bytes = b"k") -> Sessions:
    return Sessions(Sealer(key), View())


@pytest.mark.parametrize(
    ("declared", "letters", "told"),
    [
        ({"elicitation": {}}, "f", b'{"elicitation":{"form":{}}}'),
        ({"elicitation": {"url": {}}, "roots": {"listChanged": True}}, "ur", b'{"elicitation":{"url":{}},"roots":{}}'),
        ({"sampling": {"tools": {}}}, "st", b'{"sampling":{"tools":{}}}'),
        (None, "", None),
        ({"tasks": {}}, "", None),
        ({"elicitation": 5}, "", None),
    ],
)
def test_an_id_says_on_every_replica_what_its_client_can_be_asked(declared: Any, letters: str, told: Any) -> None:
    capabilities = json.dumps(declared).encode()
    identity = sessions().new(ADA, capabilities).encode()
    session = sessions().read(ADA, identity)
    assert session is not None
    assert (session.letters, session.capabilities) == (letters, told)
    assert sessions().new(ADA, capabilities).encode() != identity
    assert sessions().read(BOB, identity) is None
    assert sessions(b"another log").read(ADA, identity) is None


@given(st.binary(max_size=90))
def test_what_was_not_sealed_is_no_session(header: bytes) -> None:
    assert sessions().read(ADA, header) is None


def test_an_id_cannot_be_made_to_say_more() -> None:
    identity = sessions().new(ADA, b'{"elicitation":{}}')
    assert identity.startswith("f-")
    assert sessions().read(ADA, identity.replace("f-", "fs-", 1).encode()) is None
    assert capabilities_of("") is None
