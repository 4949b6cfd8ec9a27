"""One request as the methods see it: who asks, in which era, with what params and metadata."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request, decode_header_value
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from msgspec import Raw

from portero.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    RpcError,
)
from portero.gateway import wire
from portero.gateway.reply import Reply

if TYPE_CHECKING:
    from portero.gateway.admission import Inbound

LEGACY_VERSIONS: Final = frozenset(version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS)
SUPPORTED_VERSIONS: Final = (*reversed(MODERN_PROTOCOL_VERSIONS), *reversed(HANDSHAKE_PROTOCOL_VERSIONS))
"""Newest first."""
BATCH_VERSION: Final = b"2025-03-26"

TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - the protocol's name of a member
RESERVED_META: Final = "io.modelcontextprotocol/"

NAME_MEMBERS: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
TASK_MEMBERS: Final = {"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}

_members = msgspec.json.Decoder(dict[str, Raw])
_any = msgspec.json.Decoder()


class _Capabilities(msgspec.Struct):
    extensions: dict[str, Raw] | None = None


_capabilities = msgspec.json.Decoder(_Capabilities)

NO_MEMBERS: Final[dict[str, Raw]] = {}


def is_modern(version: bytes | None) -> bool:
    """Whether the ``MCP-Protocol-Version`` header asks for the rules of 2026-07-28 and later."""
    return version is not None and version not in LEGACY_VERSIONS


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
    )

    def __init__(self, inbound: "Inbound", message: wire.Message, reply: Reply) -> None:
        """Raises RpcError when params or metadata break the rules of the era."""
        self.client = inbound.client
        self.headers = inbound.headers
        self.reply = reply
        self.modern = inbound.modern
        self.elsewhere = 0.0
        """Seconds that were spent outside of the gateway, in the log and in upstreams."""
        self.id = bytes(message.id)  # type: ignore[arg-type] # only messages with an id become requests
        self.method: str = message.method  # type: ignore[assignment] # and with a method
        self.params = _decode_members(message.params, "params")
        self.meta = _decode_members(self.params.pop("_meta", msgspec.UNSET), "_meta") if self.params else NO_MEMBERS
        self.declares_tasks = False
        if self.modern:
            self._check_modern()
            self.declares_tasks = self._declares_tasks()
        elif self.meta and b"mcp-protocol-version" not in self.headers:
            self._refuse_modern_without_header()

    # --- the modern ladder ------------------------------------------------------------------------------------------

    def _check_modern(self) -> None:
        meta: dict[str, Any] = dict(self.meta)
        if PROTOCOL_VERSION_META_KEY in meta:
            meta[PROTOCOL_VERSION_META_KEY] = _any.decode(meta[PROTOCOL_VERSION_META_KEY])
        params: dict[str, Any] = {"_meta": meta} if self.meta else {}
        member = NAME_MEMBERS.get(self.method)
        if member is not None and member in self.params:
            params[member] = _any.decode(self.params[member])
        verdict = classify_inbound_request(
            {"method": self.method, "params": params},
            headers=_routing_headers(self.headers),
        )
        if isinstance(verdict, InboundLadderRejection):
            data = verdict.data
            if verdict.code == UNSUPPORTED_VERSION:
                data = unsupported_version_data(meta[PROTOCOL_VERSION_META_KEY])
            raise RpcError(verdict.code, f"{verdict.message}.", data)
        if (task := TASK_MEMBERS.get(self.method)) is not None:
            self._check_task_header(task)

    def _check_task_header(self, member: str) -> None:
        header = self.headers.get(b"mcp-name")
        if header is None or member not in self.params:
            return
        if decode_header_value(header.strip().decode("latin-1")) != _any.decode(self.params[member]):
            raise RpcError(HEADER_MISMATCH, f"The Mcp-Name header does not match the body's {member!r} parameter.")

    def _declares_tasks(self) -> bool:
        try:
            capabilities = _capabilities.decode(self.meta[CLIENT_CAPABILITIES_META_KEY])
        except (msgspec.DecodeError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The client capabilities cannot be read: {error}.") from None
        return capabilities.extensions is not None and TASKS_EXTENSION in capabilities.extensions

    def _refuse_modern_without_header(self) -> None:
        raw = self.meta.get(PROTOCOL_VERSION_META_KEY)
        if raw is not None and _any.decode(raw) not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise RpcError(HEADER_MISMATCH, "The MCP-Protocol-Version header is missing.")

    # --- what methods ask for ---------------------------------------------------------------------------------------

    def text(self, member: str) -> str:
        """A member of the params that must be a string. Raises RpcError."""
        raw = self.params.get(member)
        if raw is None:
            raise RpcError(INVALID_PARAMS, f"The parameter {member!r} is missing.")
        value = self.value(member)
        if not isinstance(value, str):
            raise RpcError(INVALID_PARAMS, f"The parameter {member!r} must be a string.")
        return value

    def value(self, member: str) -> Any:
        """A member of the params, decoded; None when it is absent."""
        raw = self.params.get(member)
        if raw is None:
            return None
        try:
            return _any.decode(raw)
        except (ValueError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The parameter {member!r} cannot be read: {error}.") from None

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
        members = {key: value for key, value in self.params.items() if key not in own and key != "task"}
        meta = {
            key: value
            for key, value in self.meta.items()
            if key != PROGRESS_TOKEN and not key.startswith(RESERVED_META)
        }
        if meta:
            members["_meta"] = Raw(wire.encode(meta))
        return wire.encode(members) if members else None

    def trace(self) -> str | None:
        """The W3C traceparent that came with the request."""
        if (raw := self.meta.get("traceparent")) is not None:
            value = _any.decode(raw)
            return value if isinstance(value, str) else None
        header = self.headers.get(b"traceparent")
        return header.decode("latin-1") if header is not None else None

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


def unsupported_version_data(requested: object) -> dict[str, object]:
    return {"supported": list(SUPPORTED_VERSIONS), "requested": requested}


def _routing_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    found = {}
    for name in (b"mcp-protocol-version", b"mcp-method", b"mcp-name"):
        value = headers.get(name)
        if value is not None:
            found[name.decode()] = value.strip().decode("latin-1")
    return found


def _decode_members(raw: Raw | msgspec.UnsetType, what: str) -> dict[str, Raw]:
    if raw is msgspec.UNSET:
        return {}
    try:
        return _members.decode(raw)
    except (ValueError, RecursionError) as error:
        if bytes(raw) == wire.NULL:
            return {}
        raise RpcError(INVALID_PARAMS, f"The member {what!r} cannot be read: {error}.") from None
