"""Whether the versions of every aggregate only grow, for those who read the whole log and must not grow with it."""

from collections import OrderedDict
from typing import Final, Self

import attrs

REMEMBERED: Final = 30_000
"""Aggregates of which the newest version is known: about 5 MB. Calls have a room of their own, being the most."""
SINCE: Final = 3
"""The schema since which that holds: earlier releases began again at 1 once the store had forgotten an aggregate."""
_BEGINNINGS: Final = {b"call/": b"ToolCallRequested", b"grant/": b"GrantIssued"}
"""With what an aggregate of such a kind begins, which is its version 1 and nothing else is."""


@attrs.define
class Growth:
    """Takes the events in order. What it has forgotten, of an aggregate nothing happened to for long, it believes."""

    _calls: OrderedDict[bytes, int] = attrs.field(factory=OrderedDict)
    _others: OrderedDict[bytes, int] = attrs.field(factory=OrderedDict)

    def copy(self) -> Self:
        return type(self)(self._calls.copy(), self._others.copy())

    def wrong(self, kind: bytes, aggregate: bytes, version: int) -> str | None:
        """What is wrong with the version of one more event of this type, in words. To be judged from ``SINCE`` on."""
        held = self._calls if aggregate.startswith(b"call/") else self._others
        before = held.pop(aggregate, 0)
        held[aggregate] = version
        if len(held) > REMEMBERED:
            held.popitem(last=False)
        no_beginning = version == 1 and _BEGINNINGS.get(aggregate[: aggregate.find(b"/") + 1], kind) != kind
        if version > before and not no_beginning:
            return None
        after = f"after version {before}" if before else f"with {kind.decode()}, which begins nothing"
        return f"{aggregate.decode()} goes back to version {version}, {after}"
