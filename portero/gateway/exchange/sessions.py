"""Session ids of the older era: sealed for their client, and readable by every replica, so that none has to keep them.

In the id stands what its client can be asked. What a client says later (subscriptions, the level of log messages) is
on the log under the session's key. A session grants nothing; the bearer token does that.
"""

import re
import secrets
from typing import Final

import attrs

from handlers.calls.asking import capabilities_of, letters_of
from portero.domain.ids import ClientId, SessionId
from portero.gateway.sealing import Sealer
from projections import View

SESSION: Final = b"mcp-session-id"
PURPOSE: Final = "session"
MAX_READ: Final = 4_096
"""Ids that are remembered as read; then they are forgotten all at once and read again."""
_ID: Final = re.compile(r"([frstu]+|n)-([0-9a-f]{32})")

NOTHING: Final = "n"


@attrs.frozen
class Session:
    """``key`` names it on the log, ``letters`` what its client can be asked; ``capabilities`` is that as JSON."""

    key: SessionId
    letters: str = ""
    capabilities: bytes | None = None


class Sessions:
    """Makes and reads session ids."""

    def __init__(self, sealer: Sealer, view: View) -> None:
        self._sealer = sealer
        self._view = view
        self._read: dict[tuple[ClientId, bytes], Session] = {}
        self._without: dict[ClientId, Session] = {}

    def without_id(self, client: ClientId) -> Session:
        """Clients that send no session id share what they say, each with the others that use its token."""
        session = self._without.get(client)
        if session is None:
            session = self._without[client] = Session(SessionId(f"~{client}"))
        return session

    def new(self, client: ClientId, capabilities: bytes) -> str:
        """The id for a client that declares these capabilities, as JSON, at ``initialize``."""
        return self._sealer.sealed(PURPOSE, client, f"{letters_of(capabilities) or NOTHING}-{secrets.token_hex(16)}")

    def read(self, client: ClientId, header: bytes) -> Session | None:
        """None when it is not one of ours, or another client's, or has ended."""
        session = self._read.get((client, header)) or self._parsed(client, header)
        state = self._view.sessions.get(session.key) if session is not None else None
        return None if state is not None and state.ended else session

    def _parsed(self, client: ClientId, header: bytes) -> Session | None:
        body = self._sealer.opened(PURPOSE, client, header.decode("latin-1"))
        match = _ID.fullmatch(body) if body is not None else None
        if match is None:
            return None
        letters = "" if match[1] == NOTHING else match[1]
        if len(self._read) >= MAX_READ:
            self._read.clear()
        session = self._read[client, header] = Session(SessionId(match[2]), letters, capabilities_of(letters))
        return session
