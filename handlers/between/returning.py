"""Clients that come back, with their answers, to another replica than the one that has parked their call.

What the upstream goes on to say reaches them there as letters: fakes only, and nothing rests on their arrival. Whoever
has such a client says so again and again, so that a lost letter is made good, and nobody is told who has gone.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import msgspec
import structlog
from msgspec import Raw, Struct

from handlers.between.post import SIGN_SECONDS, SILENT_SECONDS, Letter, Post
from handlers.between.remote import PROGRESS_SECONDS
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.ids import CallId, ReplicaId
from portero.domain.mcp import LOG_LEVELS, MESSAGE

logger = structlog.get_logger()

BACK, SAID, MADE = "back", "said", "progress made"
LARGEST_BYTES: Final = 64 * 1024
"""Of what is said; letters wait in the store, where nobody may be left to read them."""


class Wants(Struct, frozen=True, omit_defaults=True):
    """``level``: the least severe log messages that the client wants; None: none at all."""

    progress: bool = False
    level: str | None = None


class Ear(Protocol):
    """The client that has come back."""

    def progress(self, params: bytes) -> None:
        """Passes on progress."""

    def tell(self, method: str, params: bytes) -> None:
        """Passes on a notification, where the client wants it."""


class _Level(Struct):
    level: str = ""


_wants: Final = msgspec.json.Decoder(Wants).decode
_level: Final = msgspec.json.Decoder(_Level).decode


def is_wanted(level: str | None, params: bytes) -> bool:
    """Whether a log message is severe enough for who wants this level of them."""
    if level is None:
        return False
    try:
        found = _level(params).level
    except (ValueError, RecursionError):
        return False
    return found in LOG_LEVELS and LOG_LEVELS.index(found) >= LOG_LEVELS.index(level)


class Away:
    """Where else the client of one parked call waits, as far as is known where it is parked."""

    def __init__(self, call: CallId, post: Post) -> None:
        self._call, self._post = call, post
        self._there: dict[ReplicaId, tuple[float, Wants]] = {}
        """By replica: when it was heard of last, and what its client wants."""
        self._told_at = float("-inf")
        self._dropped = False

    def progress(self, params: bytes) -> None:
        """No more often than every PROGRESS_SECONDS: the newest counts, and what is skipped may be."""
        now = _now()
        if self._there and now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            self._send(MADE, "", params, lambda wants: wants.progress)

    def tell(self, method: str, params: bytes) -> None:
        if self._there:
            self._send(SAID, method, params, lambda wants: method != MESSAGE or is_wanted(wants.level, params))

    def came(self, replica: ReplicaId, wants: Wants) -> None:
        self._there[replica] = (_now(), wants)

    def left(self) -> None:
        """It is asked something more, so whoever waited has that for an answer."""
        self._there.clear()

    def __bool__(self) -> bool:
        return bool(self._there)

    def _send(self, kind: str, method: str, params: bytes, wanted: Callable[[Wants], bool]) -> None:
        if len(params) > LARGEST_BYTES:
            if not self._dropped:
                logger.info("too large to be told to who came back elsewhere", call=self._call, size=len(params))
            self._dropped = True
            return
        soonest = _now() - SILENT_SECONDS
        self._there = {replica: found for replica, found in self._there.items() if found[0] >= soonest}
        for replica, (_, wants) in self._there.items():
            if wanted(wants):
                self._post.tell(replica, kind, call=self._call, method=method, params=Raw(params))


class Returning:
    """One instance per process: both ends of the way."""

    def __init__(self, core: Core, post: Post) -> None:
        self._core, self._post = core, post
        self._away: dict[CallId, Away] = {}
        self._ears: dict[CallId, set[Ear]] = {}
        post.on_told(BACK, self._back)
        post.on_told(SAID, self._said)
        post.on_told(MADE, self._said)

    # --- where the call is parked -----------------------------------------------------------------------------------

    def parked(self, call: CallId) -> Away:
        """From now on its client may come back elsewhere, until ``ended``."""
        return self._away.setdefault(call, Away(call, self._post))

    def ended(self, call: CallId) -> None:
        self._away.pop(call, None)

    def tells(self, call: CallId) -> bool:
        """Whether somebody is told of this call elsewhere."""
        return bool(self._away.get(call))

    def _back(self, letter: Letter) -> None:
        away = self._away.get(letter.call or CallId(""))
        if away is None:
            return
        try:
            away.came(letter.sender, _wants(letter.params))
        except msgspec.MsgspecError as error:  # of another release
            logger.warning("a letter cannot be read", error=str(error))

    # --- where its client has come back to --------------------------------------------------------------------------

    @contextmanager
    def back(self, call: Call, ear: Ear, wants: Wants) -> Iterator[None]:
        """Meanwhile ``ear`` hears what is said of a call that is parked at another replica."""
        ears = self._ears.setdefault(call.id, set())
        ears.add(ear)
        self._say_back(call, wants)
        saying = asyncio.create_task(self._go_on_saying(call, wants), name=f"back for {call.id}")
        try:
            yield
        finally:
            saying.cancel()
            ears.discard(ear)
            if not ears:
                self._ears.pop(call.id, None)

    @property
    def waiting(self) -> int:
        """Calls whose clients wait here, and that are parked elsewhere."""
        return len(self._ears)

    async def _go_on_saying(self, call: Call, wants: Wants) -> None:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            self._say_back(self._core.view.calls.get(call.id) or call, wants)

    def _say_back(self, call: Call, wants: Wants) -> None:
        home = call.queued.event.replica if call.queued is not None else call.replica
        if home is not None and home != self._core.log.replica:
            self._post.tell(home, BACK, call=call.id, params=Raw(msgspec.json.encode(wants)))

    def _said(self, letter: Letter) -> None:
        for ear in tuple(self._ears.get(letter.call or CallId(""), ())):
            if letter.kind == MADE:
                ear.progress(bytes(letter.params))
            else:
                ear.tell(letter.method, bytes(letter.params))


def _now() -> float:
    return asyncio.get_running_loop().time()
