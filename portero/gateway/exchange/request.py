"""One request as the methods see it: who asks, in which era, with what params and metadata."""

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from portero.domain.mcp import (
    CLIENT_CAPABILITIES_META,
    CLIENT_INFO_META,
    PROTOCOL_VERSION_META,
    RESERVED_META,
    TASKS_EXTENSION,
)
from portero.errors import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY, RpcError
from portero.gateway import wire
from portero.gateway.exchange.eras import check_modern, refuse_modern_metadata
from portero.gateway.exchange.reply import Reply

if TYPE_CHECKING:
    from portero.gateway.exchange.admission import Inbound

PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - the protocol's name of a member

_members = msgspec.json.Decoder(dict[str, Raw])


class _Capabilities(msgspec.Struct):
    extensions: dict[str, Raw] | None = None


_capabilities = msgspec.json.Decoder(_Capabilities)

OWN_META: Final = frozenset({PROTOCOL_VERSION_META, CLIENT_CAPABILITIES_META, CLIENT_INFO_META})
"""What modern clients always say; it is about their connection to us, and never travels on."""
NO_CAPABILITIES: Final = b"{}"
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
NO_MEMBERS: Final[dict[str, Raw]] = {}


class Request:
    """One JSON-RPC request of an authenticated client. ``id``, and what is in ``params`` and ``meta``, stay encoded."""

    __slots__ = (
        "client",
        "declares_tasks",
        "elsewhere",
        "headers",
        "id",
        "meta",
        "method",
        "modern",
        "params",
        "reply",
        "session",
    )

    def __init__(self, inbound: "Inbound", message: wire.Message, reply: Reply) -> None:
        """Raises RpcError when params or metadata break the rules of the era."""
        self.client = inbound.client
        self.headers = inbound.headers
        self.reply = reply
        self.modern = inbound.modern
        self.session = inbound.session
        self.elsewhere = 0.0
        """Seconds that were spent outside of the gateway, in the log and in upstreams."""
        self.id = bytes(message.id)  # type: ignore[arg-type] # only messages with an id become requests
        self.method: str = message.method  # type: ignore[assignment] # and with a method
        self.params = _decode_members(message.params, "params")
        self.meta = _decode_members(self.params.pop("_meta", msgspec.UNSET), "_meta") if self.params else NO_MEMBERS
        self.declares_tasks = False
        if self.modern:
            check_modern(self.method, self.params, self.meta, self.headers)
            self.declares_tasks = self._declares_tasks()
        elif self.meta:
            refuse_modern_metadata(self.meta, self.headers)

    def _declares_tasks(self) -> bool:
        raw = self.meta[CLIENT_CAPABILITIES_META]
        if bytes(raw) == NO_CAPABILITIES:
            return False
        try:
            capabilities = _capabilities.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The client capabilities cannot be read: {error}.") from None
        return capabilities.extensions is not None and TASKS_EXTENSION in capabilities.extensions

    # --- what methods ask for ---------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> bytes:
        """What a client of the newer era declares, as JSON."""
        return bytes(self.meta.get(CLIENT_CAPABILITIES_META, b"{}"))

    def text(self, member: str) -> str:
        """A member of the params that must be a string. Raises RpcError."""
        raw = self.params.get(member)
        if raw is None:
            raise RpcError(INVALID_PARAMS, f"The parameter {member!r} is missing.")
        value = wire.decode_value(raw, member)
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"The parameter {member!r} must be a string.")
        return value

    def value(self, member: str) -> Any:
        """A member of the params, decoded; None when it is absent."""
        raw = self.params.get(member)
        return None if raw is None else wire.decode_value(raw, member)

    def object(self, member: str) -> bytes:
        """The JSON text of a member that must be an object; ``{}`` when it is absent or null."""
        raw = self.params.get(member)
        if raw is None:
            return b"{}"
        body = bytes(raw)
        if body[:1] == b"{":
            return body
        if body == wire.NULL:
            return b"{}"
        raise RpcError(INVALID_PARAMS, f"The parameter {member!r} must be an object.")

    def rest(self, *own: str) -> bytes | None:
        """A JSON object with the members of params and metadata that the gateway does not use up itself, or None.

        ``own`` are the members that the method reads. What is left is the upstream's: answers to its input requests,
        its request state, a client's own metadata.
        """
        if self.meta.keys() <= OWN_META and self.params.keys() <= {*own}:
            return None
        members = {key: value for key, value in self.params.items() if key not in own and key != "task"}
        members |= self.own_meta()
        return wire.encode(members) if members else None

    def own_meta(self) -> dict[str, Raw]:
        """The client's own metadata as a member of params; nothing where there is none."""
        meta = {
            key: value
            for key, value in self.meta.items()
            if not key.startswith(RESERVED_META) and key != PROGRESS_TOKEN
        }
        return {"_meta": Raw(wire.encode(meta))} if meta else {}

    def progress_token(self) -> Raw | None:
        """What the client's progress is to be marked with, encoded. Raises RpcError."""
        raw = self.meta.get(PROGRESS_TOKEN)
        if raw is None or bytes(raw) == wire.NULL:
            return None
        if not wire.is_request_id(bytes(raw)):
            raise RpcError(INVALID_PARAMS, "The progressToken must be a string or an integer.")
        return raw

    def trace(self) -> str | None:
        """The W3C traceparent that came with the request: what has another form is not one, and not for the log."""
        if (raw := self.meta.get("traceparent")) is not None:
            value = wire.decode_value(raw, "traceparent")
        else:
            header = self.headers.get(b"traceparent")
            value = header.decode("latin-1") if header is not None else None
        return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None

    def require_tasks(self) -> None:
        """Raises RpcError when the client has not declared the Tasks extension on this request."""
        if not self.modern:
            raise RpcError(METHOD_NOT_FOUND, f"There is no method {self.method!r}.")
        if not self.declares_tasks:
            raise RpcError(
                MISSING_CAPABILITY,
                "This needs the tasks extension, which the client has not declared.",
                {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}},
            )


def _decode_members(raw: Raw | msgspec.UnsetType, what: str) -> dict[str, Raw]:
    if raw is msgspec.UNSET:
        return {}
    try:
        return _members.decode(raw)
    except (ValueError, RecursionError) as error:
        if bytes(raw) == wire.NULL:
            return {}
        raise RpcError(INVALID_PARAMS, f"The member {what!r} cannot be read: {error}.") from None
