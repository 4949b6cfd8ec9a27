"""Which era a request belongs to, and whether a modern one says the same in its headers and in its body."""

from collections.abc import Mapping
from typing import Any, Final

from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request, decode_header_value
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from msgspec import Raw

from portero.errors import HEADER_MISMATCH, UNSUPPORTED_VERSION, RpcError
from portero.gateway.wire import decode_value

LEGACY_VERSIONS: Final = frozenset(version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS)
SUPPORTED_VERSIONS: Final = (*reversed(MODERN_PROTOCOL_VERSIONS), *reversed(HANDSHAKE_PROTOCOL_VERSIONS))
"""Newest first."""
BATCH_VERSION: Final = b"2025-03-26"

_MODERN_JSON: Final = {version.encode(): f'"{version}"'.encode() for version in MODERN_PROTOCOL_VERSIONS}
_NAME_MEMBERS: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_TASK_METHODS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})


def is_modern(version: bytes | None) -> bool:
    """Whether the ``MCP-Protocol-Version`` header asks for the rules of 2026-07-28 and later."""
    return version is not None and version not in LEGACY_VERSIONS


def check_modern(
    method: str, params: Mapping[str, Raw], meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]
) -> None:
    """Raises RpcError where headers, params and metadata break a rule of the era.

    What is in order is recognised by its bytes, 6 µs sooner than by the SDK, which says what is wrong with the rest.
    """
    if not _in_order(method, params, meta, headers):
        _check(method, params, meta, headers)


def _in_order(method: str, params: Mapping[str, Raw], meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]) -> bool:
    """Version, method and name stand in the headers character for character as in the body."""
    version = meta.get(PROTOCOL_VERSION_META_KEY)
    if version is None or bytes(version) != _MODERN_JSON.get(headers[b"mcp-protocol-version"]):
        return False
    if CLIENT_CAPABILITIES_META_KEY not in meta or headers.get(b"mcp-method") != method.encode():
        return False
    member = _NAME_MEMBERS.get(method)
    if member is None:
        return method not in _TASK_METHODS
    name, header = params.get(member), headers.get(b"mcp-name", b"")
    if name is None or bytes(name) != b'"%b"' % header:
        return False
    return header.isascii() and b"\\" not in header and not header.startswith(b"=?")


def _check(method: str, params: Mapping[str, Raw], meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]) -> None:
    decoded_meta: dict[str, Any] = dict(meta)
    if PROTOCOL_VERSION_META_KEY in meta:
        decoded_meta[PROTOCOL_VERSION_META_KEY] = decode_value(
            meta[PROTOCOL_VERSION_META_KEY], PROTOCOL_VERSION_META_KEY
        )
    decoded: dict[str, Any] = {"_meta": decoded_meta} if meta else {}
    member = _NAME_MEMBERS.get(method)
    if member is not None and member in params:
        decoded[member] = decode_value(params[member], member)
    texts = {
        name.decode(): value.strip().decode("latin-1")
        for name in (b"mcp-protocol-version", b"mcp-method", b"mcp-name")
        if (value := headers.get(name)) is not None
    }
    verdict = classify_inbound_request({"method": method, "params": decoded}, headers=texts)
    if isinstance(verdict, InboundLadderRejection):
        data = verdict.data
        if verdict.code == UNSUPPORTED_VERSION:
            data = unsupported_version_data(decoded_meta[PROTOCOL_VERSION_META_KEY])
        raise RpcError(verdict.code, f"{verdict.message}.", data)
    if method in _TASK_METHODS:
        _check_task_header(params, texts.get("mcp-name"))


def _check_task_header(params: Mapping[str, Raw], header: str | None) -> None:
    """No header is let pass: the extension asks clients for it, and not servers to insist."""
    if header is None or "taskId" not in params:
        return
    if decode_header_value(header) != decode_value(params["taskId"], "taskId"):
        raise RpcError(HEADER_MISMATCH, "The Mcp-Name header does not match the body's 'taskId' parameter.")


def refuse_modern_without_header(meta: Mapping[str, Raw]) -> None:
    """Raises RpcError for a request whose metadata is modern and that came without the version header."""
    version = meta.get(PROTOCOL_VERSION_META_KEY)
    if version is not None and decode_value(version, PROTOCOL_VERSION_META_KEY) not in HANDSHAKE_PROTOCOL_VERSIONS:
        raise RpcError(HEADER_MISMATCH, "The MCP-Protocol-Version header is missing.")


def unsupported_version_data(requested: object) -> dict[str, object]:
    return {"supported": list(SUPPORTED_VERSIONS), "requested": requested}
