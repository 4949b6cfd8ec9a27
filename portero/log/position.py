"""What this process knows of the log: which log it is, how far it goes at least, and how far it was followed."""

from typing import Any

import attrs

from portero.errors import LogDivergence


@attrs.define
class Position:
    """``seq`` and ``entry`` are the newest event known to stand; they only grow."""

    id: str
    seq: int
    entry: str
    policy: int
    followed: int | None = None
    """How far the follower has come; None while nobody follows."""

    @property
    def seen(self) -> int:
        """The sequence that a decision made now rests on."""
        return self.seq if self.followed is None else self.followed

    def advance(self, seq: int, entry: str) -> None:
        if seq > self.seq:
            self.seq, self.entry = seq, entry

    def check(self, head: list[Any], known: int) -> int:
        """Compares with the store's head (id, seq, entry, policy) and returns its sequence; raises LogDivergence.

        ``known`` is ``seq`` from before the store was asked: while its answer was on the way, another connection may
        have brought newer events.
        """
        if head[0] is None:
            raise LogDivergence(
                "The store is empty: the log that was followed is gone. Was it flushed, or is it another database?"
            )
        found, seq = head[0].decode(), int(head[1])
        if found != self.id:
            raise LogDivergence(
                f"The store holds the log {found}, and {self.id} was followed. Was it flushed or replaced?"
            )
        if seq < known:
            raise LogDivergence(
                f"The log ends at event {seq}, and event {known} was written or read before: its tail was "
                "lost, as a failover or a restored backup does it."
            )
        self.policy = max(self.policy, int(head[3]))
        return seq


def position_of(head: list[Any]) -> Position:
    """From the reply of open.lua."""
    return Position(head[0].decode(), int(head[1]), head[2].decode(), int(head[3]))
