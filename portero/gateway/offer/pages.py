"""Lists in pages behind opaque cursors: any replica can go on from a cursor of any other."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway.exchange.request import Request


def page(request: Request, member: str, names: Sequence[str], bodies: Sequence[bytes], size: int) -> dict[str, Any]:
    """The page of a list that the request's cursor asks for. ``names`` are the places of ``bodies``, each once."""
    start = _start(request, names)
    stop = start + size
    members: dict[str, Any] = {member: [Raw(body) for body in bodies[start:stop]]}
    if stop < len(bodies):
        members["nextCursor"] = cursor(names[stop - 1])
    return members


def _start(request: Request, names: Sequence[str]) -> int:
    """An empty cursor is none: clients send it for the first page."""
    if request.value("cursor") in (None, ""):  # not a set: what a client sends need not be hashable
        return 0
    after = read_cursor(request.text("cursor"))
    try:
        return names.index(after) + 1
    except ValueError:
        raise RpcError(INVALID_PARAMS, "This cursor is not valid any more. Begin again without one.") from None


def cursor(after: str) -> str:
    """The place after a name."""
    return base64.urlsafe_b64encode(f"1:{after}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> str:
    """Raises RpcError when it is none of ours."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        plain = ""
    if not plain.startswith("1:"):
        raise RpcError(INVALID_PARAMS, "The cursor is not valid. Use one from nextCursor, or none.")
    return plain[2:]
