"""Upstreams' own tasks that a stream of notices tells of: looked at again and again, while the stream is open.

Upstreams tell of tasks on streams of their own, if at all, and the one that has a task may be reached by another
replica only. Asking works everywhere, as often as the upstream itself suggests.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from msgspec import Raw

from portero.domain.ids import ClientId
from portero.errors import INVALID_PARAMS, PorteroError, RpcError
from portero.gateway.calls.deferring import POLL_INTERVAL_MS
from portero.gateway.calls.upstream_tasks import UpstreamTasks

log = structlog.get_logger("portero.gateway")

MAX_FOLLOWED: Final = 32
"""On one stream; each is a request to its upstream every few seconds."""
SOONEST_SECONDS: Final = 1.0
LATEST_SECONDS: Final = 60.0
ENDED: Final = frozenset({b'"completed"', b'"failed"', b'"cancelled"'})
NO_NEWS: Final = frozenset({"_meta", "resultType", "lastUpdatedAt", "pollIntervalMs"})
"""Members of an answer that do not make it another one."""

_interval = msgspec.json.Decoder(float | None)


class Following:
    """Of one stream. ``tell`` is called with a public id whenever ``latest`` of it is something new."""

    def __init__(
        self, tasks: UpstreamTasks, client: ClientId, capabilities: bytes, tell: Callable[[str], None]
    ) -> None:
        self._tasks, self._client, self._capabilities, self._tell = tasks, client, capabilities, tell
        self._latest: dict[str, dict[str, Raw]] = {}
        self._looking: set[asyncio.Task[None]] = set()

    def begin(self, ids: Iterable[str]) -> list[str]:
        """Follows those of the ids that are tasks of upstreams, made for this client, and returns them."""
        found = [public for public in dict.fromkeys(ids) if self._tasks.knows(self._client, public)][:MAX_FOLLOWED]
        for public in found:
            task = asyncio.create_task(self._follow(public), name="following a task")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return found

    def end(self) -> None:
        for task in self._looking:
            task.cancel()

    def latest(self, public: str) -> dict[str, Any] | None:
        """How the task stood when it was last looked at, as a notice says it."""
        members = self._latest.get(public)
        if members is None:
            return None
        return {key: value for key, value in members.items() if key not in {"_meta", "resultType"}}

    async def _follow(self, public: str) -> None:
        """Until it has ended, or is there no more."""
        pause = SOONEST_SECONDS
        while True:
            try:
                members = await self._tasks.look(self._client, public, self._capabilities)
            except PorteroError as error:
                if isinstance(error, RpcError) and error.code == INVALID_PARAMS:
                    return
                log.info("a task of an upstream cannot be looked at", reason=str(error))
                pause = min(pause * 2, LATEST_SECONDS)
            else:
                self._take(public, members)
                if bytes(members.get("status", b"")) in ENDED:
                    return
                pause = _pause(members)
            await asyncio.sleep(pause)

    def _take(self, public: str, members: dict[str, Raw]) -> None:
        before = self._latest.get(public)
        self._latest[public] = members
        if before is None or _news(before) != _news(members):
            self._tell(public)


def _news(members: dict[str, Raw]) -> dict[str, bytes]:
    return {key: bytes(value) for key, value in members.items() if key not in NO_NEWS}


def _pause(members: dict[str, Raw]) -> float:
    """Seconds until it is looked at again."""
    try:
        wanted = _interval.decode(members.get("pollIntervalMs", Raw(b"null")))
    except msgspec.MsgspecError:
        wanted = None
    return min(max((POLL_INTERVAL_MS if wanted is None else wanted) / 1000, SOONEST_SECONDS), LATEST_SECONDS)
