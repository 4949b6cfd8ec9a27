"""Histories made by hand, an event a line, for trying the checker."""

import json
from collections import Counter
from typing import Any

import attrs

from tests.chaos.checker import check
from tests.chaos.history import Birth, Effect, Entry, History, Rules, Seen

RULES = Rules(
    {"*/do": "allow", "*/look": "allow", "fx/peek": "require-approval", "fx/forbidden": "deny"},
    "require-approval",
    frozenset({"fx/look", "fx/peek", "solo/look"}),
    frozenset({"solo"}),
)
LEASE_MS, APPROVAL_MS, WAIT_MS = 1_000, 10_000, 5_000
PERSON = {"kind": "cli", "id": "ada", "name": "Ada"}
SYSTEM = {"kind": "system", "id": "portero", "name": "Portero"}


@attrs.define
class Tape:
    """Every event is a second after the one before, unless ``now`` is moved."""

    now: int = 1_000_000
    log: list[Entry] = attrs.field(factory=list)
    effects: list[Effect] = attrs.field(factory=list)
    births: list[Birth] = attrs.field(factory=list)
    seen: list[Seen] = attrs.field(factory=list)
    versions: Counter[str] = attrs.field(factory=Counter)

    def event(self, aggregate: str, type: str, *, where: str = "r1", **data: Any) -> Entry:
        self.now += 1_000
        self.versions[aggregate] += 1
        entry = Entry(
            len(self.log) + 1, aggregate, self.versions[aggregate], type, self.now, where, data, PERSON, f"{self.now}-0"
        )
        self.log.append(entry)
        return entry

    # --- calls --------------------------------------------------------------------------------------------------------

    def requested(self, call: str, tool: str, action: str) -> None:
        server, _, name = tool.partition("/")
        arguments = f'{{"id": "{call}"}}'
        self.event(f"call/{call}", "ToolCallRequested", upstream=server, name=name, arguments=arguments)
        self.event(f"call/{call}", "PolicyDecided", action=action)

    def allowed(self, call: str, tool: str = "fx/do") -> None:
        """Requested and started."""
        self.requested(call, tool, "allow")
        self.started(call)

    def asked(self, call: str, tool: str = "fx/danger") -> None:
        self.requested(call, tool, "require-approval")
        self.event(f"call/{call}", "ApprovalRequested", expires_at=self.now + 1_000 + APPROVAL_MS)

    def approved(self, call: str) -> None:
        self.event(f"call/{call}", "CallApproved", by=PERSON)

    def started(self, call: str, attempt: int = 1, *, retry_safe: bool = False, where: str = "r1") -> None:
        lease = self.now + 1_000 + LEASE_MS
        data = {"attempt": attempt, "lease_until": lease, "retry_safe": retry_safe, "replica": where}
        self.event(f"call/{call}", "ExecutionStarted", where=where, **data)

    def ran(self, call: str, tool: str = "do", pid: int = 1) -> None:
        """Its effect; no event."""
        self.effects.append(Effect(tool, call, pid, self.now, self._line()))

    def _line(self) -> int:
        return len(self.effects) + len(self.births) + 1

    def succeeded(self, call: str, where: str = "r1") -> None:
        self.event(f"call/{call}", "ExecutionSucceeded", where=where, is_error=False)

    def failed(self, call: str, *, sent: bool) -> None:
        self.event(f"call/{call}", "ExecutionFailed", sent=sent)

    def lost(self, call: str, reason: str = "the connection broke") -> None:
        self.event(f"call/{call}", "ExecutionOutcomeUnknown", reason=reason)

    def late(self, call: str, attempt: int = 1) -> None:
        self.event(f"call/{call}", "LateOutcomeRecorded", is_error=False, error=None, attempt=attempt)

    def resolved(self, call: str, resolution: str, by: dict[str, str] | None = None) -> None:
        self.event(f"call/{call}", "OutcomeResolved", resolution=resolution, by=by or PERSON)

    def cancelled(self, call: str) -> None:
        self.event(f"call/{call}", "CallCancelled", by=PERSON)

    def done(self, call: str, tool: str = "fx/do") -> None:
        """A whole allowed call."""
        self.allowed(call, tool)
        self.ran(call)
        self.succeeded(call)

    # --- of the server of which there is one instance ---------------------------------------------------------------

    def taken(self, where: str, epoch: int, pid: int | None = None) -> None:
        """A replica takes it over, and starts a process of it."""
        self.event("owner/solo", "OwnershipTaken", where=where, replica=where, epoch=epoch)
        if pid is not None:
            self.born(pid)

    def given_back(self, where: str, epoch: int) -> None:
        self.event("owner/solo", "OwnershipEnded", where=where, replica=where, epoch=epoch, reason="Portero stops")

    def born(self, pid: int, *, alone: bool = True) -> None:
        self.births.append(Birth("solo", pid, self.now, self._line(), alone))

    def waits(self, call: str, tool: str = "solo/do") -> None:
        """Allowed, and to be started by the server's owner."""
        self.requested(call, tool, "allow")
        self.event(f"call/{call}", "ExecutionQueued", wait_ms=WAIT_MS)

    def served(self, call: str, where: str, pid: int) -> None:
        """It waits, and its owner runs it."""
        self.waits(call)
        self.started(call, where=where)
        self.ran(call, pid=pid)
        self.succeeded(call, where)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def rule(self, pattern: str, action: str, rule: str = "r1") -> None:
        self.event(f"rule/{rule}", "RuleSet", pattern=pattern, action=action, literal=False)

    def grant(self, pattern: str, ms: int, grant: str = "g1") -> None:
        expires = self.now + 1_000 + ms
        self.event(f"grant/{grant}", "GrantIssued", pattern=pattern, literal=False, expires_at=expires)

    def told(self, call: str, answer: dict[str, Any] | None, tool: str = "fx/do") -> None:
        self.seen.append(Seen("call", "r1", call, self.now, self.now if answer else None, answer, tool))

    def shown(self, call: str, status: str, where: str = "r1", at: int | None = None) -> None:
        """``check_task`` has said so."""
        text = f'{{"task_id": "{call}", "status": "{status}"}}'
        answer = {"result": {"content": [{"type": "text", "text": text}]}}
        when = self.now if at is None else at
        self.seen.append(Seen("poll", where, call, when, when, answer))

    def decided(self, verb: str, about: str, seq: int) -> None:
        self.seen.append(Seen("decide", "ada", about, self.now, self.now, {"seq": seq}, verb))

    # --- the verdict --------------------------------------------------------------------------------------------------

    def history(self, quiet_ms: int = 0) -> History:
        quiet_at, births = self.now + quiet_ms, tuple(self.births)
        return History(tuple(self.log), tuple(self.effects), tuple(self.seen), RULES, quiet_at, births)

    def broken(self, quiet_ms: int = 0) -> set[str]:
        """The promises that the checker finds broken."""
        return {violation.promise for violation in check(self.history(quiet_ms))}


def result(text: str, *, is_error: bool = False) -> dict[str, Any]:
    return {"result": {"content": [{"type": "text", "text": text}], "isError": is_error}}


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def told_done(call: str) -> dict[str, Any]:
    return result(json.dumps({"id": call}))


def pending(call: str) -> dict[str, Any]:
    return result(json.dumps({"status": "pending-approval", "task_id": call}))
