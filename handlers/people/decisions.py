"""What people decide: approvals, denials, grants, rules, the lock; for the command line and the bot alike."""

from collections.abc import Callable, Sequence

import attrs

from handlers.core import Core, new_grant_id
from portero.domain import call as calls
from portero.domain import grant as grants
from portero.domain import rule as rules
from portero.domain.commands import (
    Approve,
    CallCommand,
    Cancel,
    Deny,
    IssueGrant,
    MarkRead,
    RemoveRule,
    ResolveOutcome,
    RevokeGrant,
    SetRule,
)
from portero.domain.events import AccessLocked, AccessUnlocked
from portero.domain.ids import (
    LOCK_AGGREGATE,
    CallId,
    ClientId,
    GrantId,
    Millis,
    RuleId,
    Seq,
    call_aggregate,
    grant_aggregate,
    rule_aggregate,
)
from portero.domain.patterns import Pattern, check_fakes
from portero.domain.values import Action, Actor, Resolution, Status
from portero.errors import Invalid, NotFound
from portero.log import Write

MAX_GRANT_MS = 30 * 86_400_000
"""A grant is for a while; what shall hold longer is a rule."""


@attrs.frozen
class Decided:
    """What this call's decision did: the call as it stands after it, and the position on the log."""

    call: CallId
    status: Status
    seq: Seq
    grant: GrantId | None = None
    rule: RuleId | None = None


class Decisions:
    """Every decision a person can make. All raise LogError when the log could not take it, and then nothing changed."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # --- one call ---------------------------------------------------------------------------------------------------

    async def approve(self, call: CallId, by: Actor, *, grant_ms: int | None = None, always: bool = False) -> Decided:
        """Lets a waiting call run, and with ``grant_ms`` or ``always`` that one tool from now on.

        Raises NotFound, AlreadyDecided (somebody was first, or it expired) or Invalid (approvals are locked).
        """
        if grant_ms is not None and always:
            raise Invalid("Choose one: a grant for a while, or a rule for good.")
        grant = new_grant_id() if grant_ms is not None else None
        tool = self._tool(call)
        rule = rules.rule_id(tool, literal=True) if always else None

        def extra(now: Millis) -> tuple[Write, ...]:
            if grant is not None and grant_ms is not None:
                return (
                    self._grant_write(grant, tool, grant_ms, by, now, literal=True, uses=None, client=None, call=call),
                )
            if always:
                return (self._rule_write(tool, Action.ALLOW, by, now, literal=True, call=call),)
            return ()

        decided = Decided(call, Status.QUEUED, Seq(0), grant, rule)
        return await self._decide(decided, Approve(by, grant, rule), by, ("execution", "notification"), extra)

    async def deny(self, call: CallId, by: Actor, *, reason: str | None = None, always: bool = False) -> Decided:
        """Refuses a waiting call; the reason reaches the client. With ``always``, that one tool is denied for good."""
        tool = self._tool(call)
        rule = rules.rule_id(tool, literal=True) if always else None

        def extra(now: Millis) -> tuple[Write, ...]:
            return (self._rule_write(tool, Action.DENY, by, now, literal=True, call=call),) if always else ()

        decided = Decided(call, Status.DENIED, Seq(0), None, rule)
        return await self._decide(decided, Deny(by, reason, rule), by, ("notification",), extra)

    async def cancel(self, call: CallId, by: Actor, *, reason: str | None = None) -> Decided:
        """Stops a call that has not started; one that runs is marked cancelled, and its late outcome is recorded."""
        decided = Decided(call, Status.CANCELLED, Seq(0))
        return await self._decide(decided, Cancel(by, reason), by, ("notification",))

    async def resolve(self, call: CallId, by: Actor, resolution: Resolution) -> Decided:
        """Says what became of a call whose outcome is unknown, or lets it run again."""
        work = ("execution", "notification") if resolution is Resolution.RUN_AGAIN else ("notification",)
        decided = Decided(call, Status.UNKNOWN, Seq(0))
        return await self._decide(decided, ResolveOutcome(by, resolution), by, work)

    async def mark_read(self, call: CallId, by: Actor) -> None:
        """Notes that the client has fetched the result; does nothing when it had before."""
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            events = tuple(calls.decide(state, MarkRead(), now)) if state is not None else ()
            if not events or state is None:
                return ()
            return (Write(call_aggregate(call), state.version, events, ends=state.finished),)

        await core.commit(build, actor=by)

    def _tool(self, call: CallId) -> str:
        state = self._core.view.calls.get(call)
        if state is None:
            raise NotFound(f"There is no task {call}.")
        return state.tool

    async def _decide(
        self,
        decided: Decided,
        command: CallCommand,
        by: Actor,
        work: tuple[str, ...],
        extra: Callable[[Millis], tuple[Write, ...]] = lambda _: (),
    ) -> Decided:
        core = self._core
        call, status = decided.call, decided.status

        def build(now: Millis) -> tuple[Write, ...]:
            nonlocal status
            state = core.view.calls.get(call)
            events = tuple(calls.decide(state, command, now, locked=core.view.locked is not None))
            if not events or state is None:
                return ()
            after = calls.preview(state, events, now, by)
            status = after.status
            write = Write(call_aggregate(call), state.version, events, calls.timer(after), work, after.finished)
            return (write, *extra(now))

        appended = await core.commit(build, actor=by)
        return attrs.evolve(decided, status=status, seq=appended.last if appended else Seq(core.view.seq))

    def _parsed(self, pattern: str, *, literal: bool) -> Pattern:
        """Raises Invalid, also for a pattern that would put a real value on the log."""
        check_fakes(pattern, self._core.replacer.stored_text)
        return Pattern.literal(pattern) if literal else Pattern.parse(pattern)

    # --- grants -----------------------------------------------------------------------------------------------------

    async def grant(
        self,
        pattern: str,
        duration_ms: int,
        by: Actor,
        *,
        literal: bool = False,
        uses: int | None = None,
        client: ClientId | None = None,
    ) -> GrantId:
        """Lifts ``require-approval`` for matching tools, for a while. Raises Invalid for what makes no sense."""
        parsed = self._parsed(pattern, literal=literal)
        grant = new_grant_id()
        await self._core.commit(
            lambda now: (
                self._grant_write(
                    grant, str(parsed), duration_ms, by, now, literal=literal, uses=uses, client=client, call=None
                ),
            ),
            actor=by,
        )
        return grant

    async def revoke(self, grant: GrantId | None, by: Actor) -> tuple[GrantId, ...]:
        """Ends one grant, or all that are active; returns which. Raises NotFound when there is none such."""
        core = self._core
        ended: Sequence[GrantId] = ()

        def build(now: Millis) -> tuple[Write, ...]:
            nonlocal ended
            active = [g for g in core.view.grants.active(now) if grant in (None, g.id)]
            if grant is not None and not active:
                raise NotFound(f"There is no active grant {grant}.")
            ended = tuple(g.id for g in active)
            return tuple(
                Write(grant_aggregate(g.id), None, tuple(grants.decide(g, RevokeGrant(by), now)), timer=None, ends=True)
                for g in active
            )

        await core.commit(build, actor=by)
        return tuple(ended)

    def _grant_write(
        self,
        grant: GrantId,
        pattern: str,
        duration_ms: int,
        by: Actor,
        now: Millis,
        *,
        literal: bool,
        uses: int | None,
        client: ClientId | None,
        call: CallId | None,
    ) -> Write:
        if not 0 < duration_ms <= MAX_GRANT_MS:
            raise Invalid("A grant lasts at most 30 days. For longer, set a rule with allow.")
        expires = Millis(now + duration_ms)
        command = IssueGrant(pattern, literal, expires, by, uses, client, call)
        return Write(grant_aggregate(grant), 0, tuple(grants.decide(None, command, now)), timer=expires)

    # --- rules and the lock -----------------------------------------------------------------------------------------

    async def set_rule(self, pattern: str, action: Action, by: Actor, *, literal: bool = False) -> RuleId:
        """Sets the rule for a pattern, for good; one that stood for the same pattern is replaced."""
        parsed = self._parsed(pattern, literal=literal)
        await self._core.commit(
            lambda now: (self._rule_write(str(parsed), action, by, now, literal=literal, call=None),), actor=by
        )
        return rules.rule_id(str(parsed), literal=literal)

    async def remove_rule(self, rule: RuleId, by: Actor) -> None:
        """Raises NotFound when there is no such rule."""
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.rules.get(rule)
            if state is None:
                raise NotFound(f"There is no rule {rule}.")
            return (Write(rule_aggregate(rule), None, tuple(rules.decide(state, RemoveRule(by), now)), ends=True),)

        await core.commit(build, actor=by)

    def _rule_write(
        self, pattern: str, action: Action, by: Actor, now: Millis, *, literal: bool, call: CallId | None
    ) -> Write:
        rule = rules.rule_id(pattern, literal=literal)
        command = SetRule(pattern, literal, action, by, call)
        return Write(rule_aggregate(rule), None, tuple(rules.decide(self._core.view.rules.get(rule), command, now)))

    async def lock(self, by: Actor, *, reason: str | None = None) -> None:
        """Denies everything and freezes approvals, on every replica, until unlocked."""
        await self._lock_event(AccessLocked(by, reason), by, locked=True)

    async def unlock(self, by: Actor) -> None:
        await self._lock_event(AccessUnlocked(by), by, locked=False)

    async def _lock_event(self, event: AccessLocked | AccessUnlocked, by: Actor, *, locked: bool) -> None:
        core = self._core

        def build(_now: Millis) -> tuple[Write, ...]:
            if (core.view.locked is not None) is locked:
                return ()
            return (Write(LOCK_AGGREGATE, None, (event,)),)

        await core.commit(build, actor=by)
