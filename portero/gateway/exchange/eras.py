"""Which era a request belongs to, and whether a modern one says the same in its headers and in its body."""

from collections.abc import Mapping
from typing import Final

from msgspec import Raw

from portero.domain.mcp import (
    CLIENT_CAPABILITIES_META,
    HANDSHAKE_VERSIONS,
    MODERN_VERSIONS,
    NAME_MEMBERS,
    PROTOCOL_VERSION_META,
    TASK_METHODS,
)
from portero.errors import HEADER_MISMATCH, RpcError
from portero.gateway.wire import decode_value

LEGACY_VERSIONS: Final = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
BATCH_VERSION: Final = b"2025-03-26"

_MODERN_JSON: Final = {version.encode(): f'"{version}"'.encode() for version in MODERN_VERSIONS}
_NAMED_BY: Final = {**NAME_MEMBERS, **dict.fromkeys(TASK_METHODS, "taskId")}
"""The member of the params that the header ``Mcp-Name`` repeats."""


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
        from portero.gateway.exchange.disorder import check

        check(method, params, meta, headers)


def _in_order(method: str, params: Mapping[str, Raw], meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]) -> bool:
    """Version, method and name stand in the headers character for character as in the body."""
    version = meta.get(PROTOCOL_VERSION_META)
    if version is None or bytes(version) != _MODERN_JSON.get(headers[b"mcp-protocol-version"]):
        return False
    if CLIENT_CAPABILITIES_META not in meta or headers.get(b"mcp-method") != method.encode():
        return False
    member = _NAMED_BY.get(method)
    if member is None:
        return True
    name, header = params.get(member), headers.get(b"mcp-name")
    if header is None:
        return method in TASK_METHODS  # the extension asks clients for it, and not servers to insist
    if name is None or bytes(name) != b'"%b"' % header:
        return False
    return header.isascii() and b"\\" not in header and not header.startswith(b"=?")


def refuse_modern_metadata(meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]) -> None:
    """Raises RpcError for a request whose metadata is modern while the version header is not, or is not there."""
    version = meta.get(PROTOCOL_VERSION_META)
    if version is None or decode_value(version, PROTOCOL_VERSION_META) in HANDSHAKE_VERSIONS:
        return
    wrong = "names another version than the metadata" if b"mcp-protocol-version" in headers else "is missing"
    raise RpcError(HEADER_MISMATCH, f"The MCP-Protocol-Version header {wrong}.")
