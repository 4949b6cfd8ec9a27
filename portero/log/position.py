"""What this process knows of the log: which log it is, how far it goes at least, and how far it was followed."""

from typing import Any, Final

import attrs

from portero.errors import LogDivergence

NO_LOG: Final = "none"
"""What append.lua says for the id of a log that is not there."""


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
            raise self.refused("LOGID", NO_LOG)
        found, seq = head[0].decode(), int(head[1])
        if found != self.id:
            raise self.refused("LOGID", found)
        if seq < known:
            raise self.refused("LOGSEQ", str(seq), known)
        self.policy = max(self.policy, int(head[3]))
        return seq

    def refused(self, code: str, found: str, known: int | None = None) -> LogDivergence:
        """What an error of append.lua means: its code, and what the store holds instead (a log's id, or its end)."""
        if code == "LOGSEQ":
            return LogDivergence(
                f"The log ends at event {found}, and event {known or self.seq} was written or read before: its tail "
                "was lost, as a failover or a restored backup does it."
            )
        if found == NO_LOG:
            return LogDivergence(
                "The store is empty: the log that was followed is gone. Was it flushed, or is it another database?"
            )
        return LogDivergence(
            f"The store holds the log {found}, and {self.id} was followed. Was it flushed or replaced?"
        )


def position_of(head: list[Any]) -> Position:
    """From the reply of open.lua."""
    return Position(head[0].decode(), int(head[1]), head[2].decode(), int(head[3]))
