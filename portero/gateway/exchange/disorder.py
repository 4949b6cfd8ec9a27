"""What is wrong with a modern request whose headers and body do not plainly say the same: the SDK knows.

Imported when there is such a request, or a while after the start in a thread: the SDK takes 0.8 s.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from mcp.shared.inbound import (
    InboundLadderRejection,
    classify_inbound_request,
    decode_header_value,
    validate_mcp_param_headers,
)
from msgspec import Raw

from portero.domain.mcp import NAME_MEMBERS, PROTOCOL_VERSION_META, TASK_METHODS, unsupported_version_data
from portero.errors import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, RpcError
from portero.gateway.wire import decode_value

PARAM_HEADER: Final = b"mcp-param-"


class _Schema(msgspec.Struct):
    inputSchema: Any = None  # noqa: N815 - the protocol's name


_members = msgspec.json.Decoder(dict[str, Any])
_schema = msgspec.json.Decoder(_Schema)


def check(method: str, params: Mapping[str, Raw], meta: Mapping[str, Raw], headers: Mapping[bytes, bytes]) -> None:
    """Raises RpcError where a rule is broken; what is only spelt in another way is let pass."""
    decoded_meta: dict[str, Any] = dict(meta)
    if PROTOCOL_VERSION_META in meta:
        decoded_meta[PROTOCOL_VERSION_META] = decode_value(meta[PROTOCOL_VERSION_META], PROTOCOL_VERSION_META)
    decoded: dict[str, Any] = {"_meta": decoded_meta} if meta else {}
    member = NAME_MEMBERS.get(method)
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
            data = unsupported_version_data(decoded_meta[PROTOCOL_VERSION_META])
        raise RpcError(verdict.code, f"{verdict.message}.", data)
    if method in TASK_METHODS:
        _check_task_header(params, texts.get("mcp-name"))


def _check_task_header(params: Mapping[str, Raw], header: str | None) -> None:
    """No header is let pass: the extension asks clients for it, and not servers to insist."""
    if header is None or "taskId" not in params:
        return
    if decode_header_value(header) != decode_value(params["taskId"], "taskId"):
        raise RpcError(HEADER_MISMATCH, "The Mcp-Name header does not match the body's 'taskId' parameter.")


def check_param_headers(definition: bytes, arguments: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raises RpcError where headers that mirror arguments say something else than these.

    Source: Streamable HTTP 2026-07-28, "Server Behavior for Custom Headers".
    """
    try:
        given = _members.decode(arguments)
    except (ValueError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"The arguments cannot be read: {error}.") from None
    mirrored = {
        name.decode("latin-1"): value.strip().decode("latin-1")
        for name, value in headers.items()
        if name.startswith(PARAM_HEADER)
    }
    verdict = validate_mcp_param_headers(_schema.decode(definition).inputSchema, given, mirrored)
    if isinstance(verdict, InboundLadderRejection):
        raise RpcError(verdict.code, f"{verdict.message}.", verdict.data)
