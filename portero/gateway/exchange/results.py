"""Results as each era wants them: upstreams' are passed on as they came, with only the envelope's members fitted."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from portero.domain.mcp import SERVER_INFO_META
from portero.errors import INTERNAL_ERROR, RpcError
from portero.gateway import wire

MODERN_ONLY: Final = ("resultType", "ttlMs", "cacheScope")
COMPLETE: Final = b'"complete"'
PRIVATE: Final = Raw(b'"private"')
LIST_TTL_MS: Final = 60_000
"""How long a client may keep a list; changes are announced to those who listen."""


class _Head(msgspec.Struct):
    resultType: Raw | UnsetType = UNSET  # noqa: N815 - the protocol's name
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


NO_HEAD: Final = _Head()

_head = msgspec.json.Decoder(_Head)
_members = msgspec.json.Decoder(dict[str, Raw])


class Results:
    """Fits results to an era. One instance per process, for the server's identity is part of modern results."""

    def __init__(self, version: str) -> None:
        self.identity: Final = {"name": "portero", "title": "Portero", "version": version}
        self._identity = wire.encode(self.identity)
        self._stamp = b'"_meta":{"%b":%b}' % (SERVER_INFO_META.encode(), self._identity)
        self._opening = b'{"resultType":"complete",' + self._stamp

    def upstream(self, result: bytes, *, modern: bool, cached: bool = False) -> bytes:
        """An upstream's result for a client of either era. ``cached``: the modern one asks how long to keep it.

        It is private whatever the upstream says: who may see it, and what of it, is decided here, client by client.
        """
        if not modern:
            return _legacy(result)
        return self._cached(result) if cached else self._modern(result)

    def _cached(self, result: bytes) -> bytes:
        members = _members.decode(self._modern(result))
        if bytes(members["resultType"]) == COMPLETE:
            members.setdefault("ttlMs", Raw(b"0"))
            members["cacheScope"] = PRIVATE
        return wire.encode(members)

    def _modern(self, result: bytes) -> bytes:
        named = b'"resultType"' in result or b'"_meta"' in result
        head = _read_head(result) if named else NO_HEAD
        if head.resultType is UNSET and head.meta is UNSET:
            rest = result.lstrip()[1:]
            return self._opening + (b"," if rest.lstrip()[:1] != b"}" else b"") + rest
        members = _members.decode(result)
        if head.resultType is UNSET or bytes(head.resultType) == wire.NULL:
            members["resultType"] = Raw(COMPLETE)
        meta = _members.decode(head.meta) if head.meta is not UNSET and bytes(head.meta)[:1] == b"{" else {}
        meta[SERVER_INFO_META] = Raw(self._identity)
        members["_meta"] = Raw(wire.encode(meta))
        return wire.encode(members)

    def own(self, members: dict[str, Any], *, modern: bool, cached: bool = False) -> bytes:
        """A result of Portero itself. ``cached``: the modern era wants it to say how long it may be kept."""
        if not modern:
            return wire.encode(members)
        envelope: dict[str, Any] = {"resultType": "complete"}
        if cached:
            envelope |= {"ttlMs": LIST_TTL_MS, "cacheScope": "private"}
        meta = {**members.get("_meta", {}), SERVER_INFO_META: Raw(self._identity)}
        return wire.encode({**envelope, **members, "_meta": meta})

    def text(self, text: str, *, modern: bool, is_error: bool = False) -> bytes:
        """A tool result of one text item."""
        members: dict[str, Any] = {"content": [{"type": "text", "text": text}]}
        if is_error:
            members["isError"] = True
        return self.own(members, modern=modern)

    def document(self, value: Any, *, modern: bool, is_error: bool = False) -> bytes:
        """A tool result of one text item that holds JSON, as the virtual tools answer."""
        return self.text(wire.encode(value).decode(), modern=modern, is_error=is_error)


def _read_head(result: bytes) -> _Head:
    try:
        return _head.decode(result)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RpcError(INTERNAL_ERROR, f"The upstream's result cannot be read: {error}.") from None


def _legacy(result: bytes) -> bytes:
    """Without what only the modern era knows. The words are looked for first: a legacy upstream never says them."""
    if b'"resultType"' not in result and SERVER_INFO_META.encode() not in result:
        return result
    head = _read_head(result)
    if head.resultType is not UNSET and bytes(head.resultType) not in {COMPLETE, wire.NULL}:
        raise RpcError(
            INTERNAL_ERROR,
            "The upstream wants to ask the user something in a way that this client's protocol version does not have. "
            "A client of protocol version 2026-07-28 can answer it.",
        )
    members = _members.decode(result)
    for member in MODERN_ONLY:
        members.pop(member, None)
    if "_meta" in members and bytes(members["_meta"])[:1] == b"{":
        meta = _members.decode(members["_meta"])
        meta.pop(SERVER_INFO_META, None)
        members["_meta"] = Raw(wire.encode(meta))
        if not meta:
            del members["_meta"]
    return wire.encode(members)
