"""Calls for card tests, made of the events they are really made of."""

import json
from collections.abc import Sequence
from typing import Any

from portero.domain.call import Call, evolve
from portero.domain.events import (
    ApprovalRequested,
    CallEvent,
    Meta,
    PolicyDecided,
    Recorded,
    ToolCallRequested,
)
from portero.domain.ids import CallId, ClientId, Millis, ReplicaId, call_aggregate
from portero.domain.values import SYSTEM, Action, Actor, Kind, Reason, Tier, ToolFacts

ASKED = Millis(1_763_895_600_000)  # Sunday, 23 November 2025, 11:00:00 UTC
HOUR = 3_600_000
ID = CallId("7k3m9x2c4v5b6n8q")
ANA = Actor("telegram", "42", "Ana")

WRITES = ToolFacts(read_only=False, destructive=False, open_world=True)
DESTROYS = ToolFacts(read_only=False, destructive=True, idempotent=False, open_world=True)


def asked(
    tool: str,
    arguments: Any,
    *later: CallEvent,
    facts: ToolFacts = DESTROYS,
    kind: Kind = Kind.TOOL,
    extra: str | None = None,
    client: str = "claude-code",
    identity: CallId = ID,
) -> Call:
    """A call that waits for a person, and what came after that, a minute each. ``arguments``: JSON text, or a value."""
    server, _, name = tool.partition("/")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    first: Sequence[CallEvent] = (
        ToolCallRequested(ClientId(client), kind, server, name, text, None, len(text), extra),
        PolicyDecided(Action.ASK, Reason(Tier.PATTERN, f"{server}/*"), 1),
        ApprovalRequested("digest", Millis(ASKED + 24 * HOUR), facts),
    )
    state: Call | None = None
    for number, event in enumerate((*first, *later), 1):
        at = Millis(ASKED + max(0, number - 3) * 60_000)
        meta = Meta(at, SYSTEM, ReplicaId("r1"), "w")
        recorded = Recorded(number, f"{number}-0", call_aggregate(identity), number, type(event).__name__, event, meta)
        state = evolve(state, recorded)
    assert state is not None
    return state
