"""What a call sends, as it is stored: in its event while it is small, beside the log where it is large."""

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from handlers.core import NO_BLOBS
from portero.domain.call import Call
from portero.domain.commands import RequestCall
from portero.domain.digest import call_digest
from portero.domain.ids import CallId
from portero.domain.values import Action
from portero.log import Log

BLOB_BYTES: Final = 32_768
"""Arguments above this are kept beside the log, and other params too, so that log and views stay small."""


GRACE_SECONDS: Final = 7 * 86_400
"""How long such a blob outlives the approval it waits for."""
LOOK_SECONDS: Final = 86_400
"""How long it is there to be looked at where nothing will be run with it any more, and no person was asked."""


class Kept(Struct, frozen=True):
    """One part of it, as the event says it: either ``text``, or the name and the SHA-256 (hex) of a blob."""

    text: str | None
    size: int
    blob: str | None = None
    digest: str | None = None


NOTHING: Final = Kept(None, 0)


_ARGUMENTS: Final = "{}.arguments"
_EXTRA: Final = "{}.extra"


def kept(call: CallId, arguments: bytes, extra: bytes | None) -> tuple[Kept, Kept]:
    """Where a new call's arguments and other params (JSON, fakes only) go."""
    return _kept(arguments, _ARGUMENTS, call), _kept(extra, _EXTRA, call)


def _kept(data: bytes | None, name: str, call: CallId) -> Kept:
    if data is None:
        return NOTHING
    if len(data) <= BLOB_BYTES:
        return Kept(data.decode(), len(data))
    return Kept(None, len(data), name.format(call), hashlib.sha256(data).hexdigest())


def blobs(command: RequestCall, arguments: bytes, extra: bytes | None) -> Mapping[str, bytes]:
    """What goes beside the log with the call."""
    if command.arguments_blob is None and command.extra_blob is None:
        return NO_BLOBS
    parts = ((command.arguments_blob, arguments), (command.extra_blob, extra))
    return {name: data for name, data in parts if name is not None and data is not None}


def blob_seconds(command: RequestCall, approval_ms: int) -> int:
    """How long those are kept. A call that is allowed may have to run again, and be let go when it has ended."""
    return LOOK_SECONDS if command.action is Action.DENY else approval_ms // 1000 + GRACE_SECONDS


async def let_go(log: Log, call: CallId, arguments: bytes, extra: bytes | None) -> None:
    """After a call's end: they are large, and the store's memory is not. Raises LogUnavailable."""
    parts = ((_ARGUMENTS, arguments), (_EXTRA, extra))
    names = [name.format(call) for name, data in parts if data is not None and len(data) > BLOB_BYTES]
    if names:
        await log.shorten(names, LOOK_SECONDS)


class Params(Struct, frozen=True):
    """What a call sends, JSON bytes, fakes only. ``arguments`` None: no longer kept.

    ``extra``, the other members of its params, is None where there are none, and where they are no longer kept.
    """

    arguments: bytes | None
    extra: bytes | None = None
    extra_is_gone: bool = False

    @property
    def gone(self) -> str | None:
        """A sentence that says what is no longer kept; None: this is all of it."""
        if self.arguments is None:
            return "Its arguments are no longer kept."
        return "What it sends beside its arguments is no longer kept." if self.extra_is_gone else None

    def digest(self, tool: str, definition: str, replacements: str) -> str:
        """What a person approves, and what must be the same when it runs. See ``call_digest``."""
        arguments, extra = self.arguments or b"", self.extra
        return call_digest(
            tool, arguments.decode(), extra.decode() if extra is not None else None, definition, replacements
        )


async def arguments_of(log: Log, call: Call) -> bytes | None:
    """None when they are no longer kept. Raises LogUnavailable."""
    request = call.origin.request
    if request.arguments_blob is not None:
        return await _blob(log, request.arguments_blob, request.arguments_digest)
    gone = not request.arguments and request.arguments_bytes > len("{}")
    return None if gone else request.arguments.encode()


async def params_of(log: Log, call: Call) -> Params:
    """Raises LogUnavailable."""
    request, arguments = call.origin.request, await arguments_of(log, call)
    if request.extra_blob is not None:
        found = await _blob(log, request.extra_blob, request.extra_digest)
        return Params(arguments, found, found is None)
    if request.extra is None:
        return Params(arguments, None, request.extra_bytes > 0)
    return Params(arguments, request.extra.encode())


async def _blob(log: Log, name: str, digest: str | None) -> bytes | None:
    """Something else under that name is as good as nothing."""
    found = await log.blob(name)
    if found is None or (digest is not None and hashlib.sha256(found).hexdigest() != digest):
        return None
    return found
