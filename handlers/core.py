"""What every handler works with, and the one loop that turns a decision into an append."""

import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from portero.domain.ids import CallId, GrantId, Millis
from portero.domain.policy import ConfigPolicy, Verdict
from portero.domain.policy_index import PolicyIndex
from portero.domain.replacement import Replacer
from portero.domain.values import Actor
from portero.errors import LogUnavailable, PolicyMoved, VersionConflict
from portero.log import Appended, Log, Write
from projections import View

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford base32, lower case: no letter that is mistaken for a digit."""

NO_BLOBS: Final[Mapping[str, bytes]] = MappingProxyType({})

CATCH_UP_SECONDS = 5.0
"""How long a handler waits for its view to see what made an append conflict."""


def system_clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


class _Letters:
    """Random letters of the alphabet, from the system's generator, which is asked for many at a time."""

    POOL: Final = 4096
    LETTERS: Final = bytes(ord(ALPHABET[byte & 31]) for byte in range(256))

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0

    def take(self, length: int) -> str:
        at = self._at
        if at + length > len(self._pool):
            self._pool = os.urandom(self.POOL).translate(self.LETTERS).decode()
            at = 0
        self._at = at + length
        return self._pool[at : at + length]


_letters = _Letters()


def new_call_id() -> CallId:
    return CallId(_letters.take(16))


def new_grant_id() -> GrantId:
    return GrantId("g" + _letters.take(7))


@attrs.define
class Core:
    """The collaborators that all handlers of one process share."""

    log: Log
    view: View
    policy: ConfigPolicy
    replacer: Replacer
    clock: Callable[[], Millis] = system_clock
    approval_ms: int = 86_400_000
    lease_ms: int = 15_000
    result_seconds: int = 7 * 86_400
    """How long the result of an asked call can be fetched."""
    retry_lost: bool = True
    """Whether an asked call whose outcome is lost runs again by itself, where its tool is read-only or idempotent."""
    index: PolicyIndex = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.index = PolicyIndex(self.policy, self.replacer.stored_text)

    def decide_policy(self, tool: str, client: str | None, now: Millis) -> Verdict:
        """What the policy says of a tool now, by everything this process has seen of the log."""
        view = self.view
        return self.index.decide(
            tool,
            client,
            rules=view.rules,
            grants=view.grants,
            locked=view.locked is not None,
            policy_version=view.policy_version,
            now=now,
        )

    async def commit(
        self,
        build: Callable[[Millis], tuple[Write, ...]],
        *,
        actor: Actor,
        cause: int | None = None,
        trace: str | None = None,
        blobs: Mapping[str, bytes] = NO_BLOBS,
        blob_ttl: int = 0,
        urgent: bool = False,
    ) -> Appended | None:
        """Appends what ``build`` decides on the view as it is, and decides again when another write came first.

        ``build`` gets the time (ms) and returns the writes, or none when there is nothing to do (then so does this);
        the errors it raises pass through, such as AlreadyDecided. All of it rests on the policy version.
        ``urgent``: also when the store's memory is full.
        """
        while True:
            now = self.clock()
            policy_version = self.view.policy_version
            writes = build(now)
            if not writes:
                return None
            try:
                return await self.log.append(
                    *writes,
                    actor=actor,
                    now=now,
                    policy_version=policy_version,
                    cause=cause,
                    trace=trace,
                    blobs=blobs,
                    blob_ttl=blob_ttl,
                    urgent=urgent,
                )
            except (VersionConflict, PolicyMoved):
                await self.catch_up()

    async def catch_up(self) -> None:
        """Waits until the view holds everything that is on the log now; LogUnavailable when it does not come."""
        await self.reach((await self.log.head()).seq)

    async def reach(self, seq: int) -> None:
        """Waits until the view has seen this position of the log; LogUnavailable when it does not come."""
        try:
            await self.view.wait_for(seq, CATCH_UP_SECONDS)
        except TimeoutError as late:
            raise LogUnavailable(
                "This replica is behind the log, so nothing was decided. Try again; `portero doctor` shows the lag."
            ) from late
