"""Lists of an upstream, all pages of them, as undecoded definitions."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import attrs
import msgspec
import structlog
from msgspec import Raw

from portero.domain.mcp import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED
from portero.errors import METHOD_NOT_FOUND, UpstreamRefused, UpstreamUnavailable

log = structlog.get_logger("portero.upstream")

MAX_PAGES: Final = 200
MAX_ITEMS: Final = 10_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""A list that never ends would fill the memory; what is beyond is left out, and said."""

MAX_TRIES: Final = 3
"""Of a list whose cursors are refused."""

Ask = Callable[[str, bytes], Awaitable[bytes]]
"""Sends a request: method and params in, the result out."""


class Kind(Enum):
    """What an upstream may offer: ``(method, member of the result, capability, notification)``."""

    TOOLS = ("tools/list", "tools", "tools", TOOLS_CHANGED)
    RESOURCES = ("resources/list", "resources", "resources", RESOURCES_CHANGED)
    TEMPLATES = (
        "resources/templates/list",
        "resourceTemplates",
        "resources",
        RESOURCES_CHANGED,
    )
    PROMPTS = ("prompts/list", "prompts", "prompts", PROMPTS_CHANGED)

    def __init__(self, method: str, member: str, capability: str, notification: str) -> None:
        self.method, self.member, self.capability, self.notification = method, member, capability, notification


LIST_CHANGED: Final = {
    notification: tuple(kind for kind in Kind if kind.notification == notification)
    for notification in {kind.notification for kind in Kind}
}
"""Which lists are read again after a notification."""


@attrs.frozen
class Listing:
    """Definitions in the upstream's own order, as it gave them."""

    tools: tuple[bytes, ...] = ()
    resources: tuple[bytes, ...] = ()
    templates: tuple[bytes, ...] = ()
    prompts: tuple[bytes, ...] = ()

    def having(self, kind: Kind, items: tuple[bytes, ...]) -> "Listing":
        return attrs.evolve(self, **{kind.name.lower(): items})


_page = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])
_cursor = msgspec.json.Decoder(str | None)


async def list_all(upstream: str, kind: Kind, ask: Ask) -> tuple[bytes, ...]:
    """Every page of one list; empty where the server does not know the method. Raises ``UpstreamError``.

    A cursor that the server does not know any more, because its list has changed meanwhile, is begun again without.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return await _all_pages(upstream, kind, ask)
        except _CursorRefused as refused:
            log.info("a list is begun again", upstream=upstream, method=kind.method, code=refused.code)
    return await _all_pages(upstream, kind, ask)


class _CursorRefused(UpstreamRefused):
    """A page behind the first is refused."""


async def _all_pages(upstream: str, kind: Kind, ask: Ask) -> tuple[bytes, ...]:
    found: list[bytes] = []
    seen: set[str] = set()
    cursor: str | None = None
    size = 0
    for _ in range(MAX_PAGES):
        answer = await _asked(kind, ask, cursor)
        if answer is None:
            return ()
        items, cursor = _read(kind, answer)
        found += items
        if cursor is None:  # "" is a cursor like any other
            return tuple(found)
        size += len(answer)
        if cursor in seen or len(found) >= MAX_ITEMS or size >= MAX_BYTES:
            break
        seen.add(cursor)
    log.warning("a list has no end, the rest is left out", upstream=upstream, method=kind.method, items=len(found))
    return tuple(found[:MAX_ITEMS])


async def _asked(kind: Kind, ask: Ask, cursor: str | None) -> bytes | None:
    """One page; None where the server does not know the method."""
    try:
        return await ask(kind.method, b"{}" if cursor is None else msgspec.json.encode({"cursor": cursor}))
    except UpstreamRefused as refused:
        if cursor is not None:
            raise _CursorRefused(refused.code, refused.message, refused.data) from refused
        if refused.code == METHOD_NOT_FOUND:
            return None
        raise


def _read(kind: Kind, answer: bytes) -> tuple[list[bytes], str | None]:
    try:
        page = _page.decode(answer)
        items = [bytes(item) for item in _items.decode(page.get(kind.member, b"[]"))]
        return items, _cursor.decode(page.get("nextCursor", b"null"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamUnavailable(f"its answer to {kind.method!r} cannot be read: {error}") from error
