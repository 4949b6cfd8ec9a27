"""What is decided about a request before its body is read: where it comes from, whose it is, what it holds."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from litestar.types import Receive, Scope, Send

from portero.domain.ids import ClientId
from portero.errors import FORBIDDEN, HEADER_MISMATCH, INVALID_REQUEST, TOO_LARGE, UNAUTHORIZED
from portero.gateway.exchange.eras import is_modern
from portero.gateway.exchange.sessions import SESSION, Session, Sessions
from portero.gateway.http.auth import Clients
from portero.gateway.http.bodies import ALLOW_POST, Accepts, Header, Refusal, is_json
from portero.gateway.http.metadata import challenge
from portero.gateway.http.origin import Origins
from portero.gateway.options import Options

ONCE_ONLY: Final = frozenset(
    {
        b"authorization",
        b"host",
        b"origin",
        b"content-type",
        b"content-length",
        b"mcp-protocol-version",
        b"mcp-method",
        b"mcp-name",
        b"mcp-session-id",
        b"last-event-id",
    }
)
"""Headers whose first and last copy must not tell two readers two things."""


@attrs.define
class Inbound:
    """A request that may be read: whose it is, its headers, and the ways to its client."""

    client: ClientId
    peer: str
    headers: Mapping[bytes, bytes]
    modern: bool
    accepts_stream: bool
    receive: Receive
    send: Send
    session: Session
    """Of the older era; a client that has none, or speaks the newer one, has the one that stands for its token."""


class Admission:
    """Lets requests in, or raises Refusal."""

    def __init__(self, options: Options, clients: Clients, sessions: Sessions) -> None:
        self._limit = options.body_limit
        self._clients = clients
        self._sessions = sessions
        self._origins = Origins(options.host, options.allowed_hosts, options.allowed_origins)
        self._accepts = Accepts()

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> Inbound:
        """``headers`` are those of the scope as a mapping. The order of the checks is part of the contract: who asks
        comes before what is asked."""
        lines: Sequence[Header] = scope["headers"]  # type: ignore[assignment] # a list, whatever the type says
        if len(headers) != len(lines):
            _refuse_repeated(lines)
        refused = self._origins.refusal(headers.get(b"host"), headers.get(b"origin"))
        if refused is not None:
            raise Refusal(403, FORBIDDEN, refused, reason="forbidden")
        client = self._clients.authenticate(headers.get(b"authorization"))
        if client is None:
            how = challenge(scope["scheme"], scope["path"], headers)
            raise Refusal(401, UNAUTHORIZED, _unauthorized(headers), how, reason="unauthorized")
        modern = is_modern(headers.get(b"mcp-protocol-version"))
        given = headers.get(SESSION)
        session = self._sessions.without_id(client) if modern or given is None else self._session(client, given)
        accepts_json, accepts_stream = self._accepts(headers.get(b"accept"))
        inbound = Inbound(client, _peer(scope), headers, modern, accepts_stream, receive, send, session)
        if scope["method"] != "POST":  # type: ignore[typeddict-item] # routed as HTTP
            _check_stream(scope["method"], inbound)  # type: ignore[typeddict-item]
            return inbound
        if not is_json(headers.get(b"content-type")):
            raise Refusal(415, INVALID_REQUEST, "The Content-Type must be application/json.", reason="content-type")
        if not accepts_json:
            raise Refusal(406, INVALID_REQUEST, "The client must accept application/json.", reason="accept")
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length) > self._limit):
            raise self.too_large()
        return inbound

    def welcomes(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether pages of the origin that asks may talk to this server."""
        return self._origins.refusal(headers.get(b"host"), headers.get(b"origin")) is None

    def _session(self, client: ClientId, given: bytes) -> Session:
        session = self._sessions.read(client, given)
        if session is None:
            text = "This session has ended, or is not one of this server's. Initialize again, without a session id."
            raise Refusal(404, INVALID_REQUEST, text, reason="session")
        return session

    def too_large(self) -> Refusal:
        return Refusal(413, TOO_LARGE, f"The body is larger than {self._limit // 1024} KiB.", reason="too-large")


def _unauthorized(headers: Mapping[bytes, bytes]) -> str:
    if b"authorization" not in headers:
        return "A bearer token is needed: send the header Authorization: Bearer TOKEN."
    return "The bearer token is not one of this server's. Check it against BEARER_TOKEN or config/clients.json."


def _check_stream(method: str, inbound: Inbound) -> None:
    """Raises Refusal unless this is a GET or DELETE of a session."""
    if inbound.modern or SESSION not in inbound.headers or method not in {"GET", "DELETE"}:
        text = f"{method} needs a session of protocol version 2025-11-25 or older. Requests are sent with POST."
        raise Refusal(405, INVALID_REQUEST, text, ALLOW_POST, reason="method")
    if method == "GET" and not inbound.accepts_stream:
        raise Refusal(406, INVALID_REQUEST, "The client must accept text/event-stream.", reason="accept")


def _refuse_repeated(lines: Sequence[Header]) -> None:
    seen: set[bytes] = set()
    for name, _ in lines:
        if name in seen and (name in ONCE_ONLY or name.startswith(b"mcp-param-")):
            text = f"The header {name.decode('latin-1')} appears more than once."
            raise Refusal(400, HEADER_MISMATCH, text, reason="headers")
        seen.add(name)


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
