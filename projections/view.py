"""The View: everything that a replica knows of the log, folded in order, in memory."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from portero.domain import events as e
from portero.domain.admin import Lock, evolve_lock
from portero.domain.archive import Archived, evolve_archive
from portero.domain.events import EVENT_TYPES, POLICY_EVENTS, Event, Recorded
from portero.domain.ids import ADMINS_AGGREGATE, ARCHIVE_AGGREGATE, LOCK_AGGREGATE
from portero.domain.values import Action
from portero.errors import LogDivergence
from projections import snapshot
from projections.activity import Activity
from projections.admins import Admins
from projections.calls import Calls
from projections.config import Config
from projections.grants import Grants
from projections.limits import Limits
from projections.owners import Owners
from projections.recent import Recent
from projections.replicas import Replicas
from projections.rules import Rules
from projections.sessions import Sessions
from projections.snapshot import Snapshot
from projections.upstreams import Upstreams
from projections.waiting import Waiting

logger = structlog.get_logger()

Subscriber = Callable[[Recorded[Event | None]], None]

_POLICY_TYPES: Final = frozenset(cls.__name__ for cls in POLICY_EVENTS)
"""By name, because an event that cannot be read moves the policy version like one that can."""

_SHOWN: Final = frozenset({e.ResourcesSubscribed, e.ResourcesUnsubscribed})
"""Of what clients say of their sessions, what people may want to see among the activity."""


class View:
    """Reads are plain attribute access on the event loop's thread; nothing here waits but ``wait_for``."""

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.seq = 0
        self.entry = "0-0"
        self.restored = 0
        """The event up to which it came from a snapshot."""
        self.policy_version = 0
        self.locked: Lock | None = None
        self.archived: Archived | None = None
        self.calls = Calls(limits)
        self.approvals = self.calls.approvals
        self.grants = Grants(limits)
        self.rules = Rules()
        self.recent = Recent(limits)
        self.activity = Activity(limits)
        self.upstreams = Upstreams()
        self.owners = Owners()
        self.replicas = Replicas(limits)
        self.config = Config()
        self.admins = Admins()
        self.sessions = Sessions(limits)
        self._waiting = Waiting()
        self._subscribers: dict[type | None, tuple[Subscriber, ...]] = {}
        """By the type of event they want to hear of; None: of all."""
        self._folds = self._table()

    # --- following the log --------------------------------------------------------------------------------------------

    def apply(self, batch: Sequence[Recorded[Any]]) -> None:
        """Folds events in order. What was seen before is passed over; raises LogDivergence for a gap."""
        folds, seen, seq, told = self._folds, self.replicas.seen, self.seq, self._subscribers
        for recorded in batch:
            if recorded.seq != seq + 1:
                if recorded.seq <= seq:
                    continue
                raise LogDivergence(f"event {seq + 1} is missing from the log: {recorded.seq} came after {seq}")
            fold = folds.get(type(recorded.event))
            if fold is not None:
                fold(recorded)
            meta = recorded.meta
            if meta.replica in seen:
                seen[meta.replica] = meta.at
            if recorded.type in _POLICY_TYPES:
                self.policy_version += 1
            self.seq = seq = recorded.seq
            self.entry = recorded.entry
            if told and (None in told or type(recorded.event) in told):
                self._tell(recorded)
        self._waiting.reached(self.seq)

    async def wait_for(self, seq: int, timeout: float) -> None:
        """Returns once the view has seen ``seq``; raises TimeoutError after ``timeout`` seconds."""
        if self.seq < seq:
            await self._waiting.wait_for(seq, timeout)

    def subscribe(self, subscriber: Subscriber, of: type[Event] | None = None) -> Callable[[], None]:
        """Calls ``subscriber`` after each event from now on, or each of one type; returns what ends that.

        It must be quick and not raise.
        """
        self._subscribers[of] = (*self._subscribers.get(of, ()), subscriber)

        def end() -> None:
            left = list(self._subscribers.pop(of, ()))
            if subscriber in left:
                left.remove(subscriber)
            if left:
                self._subscribers[of] = tuple(left)

        return end

    def _tell(self, recorded: Recorded[Any]) -> None:
        told = self._subscribers
        for subscriber in (*told.get(None, ()), *told.get(type(recorded.event), ())):
            try:
                subscriber(recorded)
            except Exception:
                logger.exception("a subscriber of the view failed", seq=recorded.seq, type=recorded.type)

    # --- snapshot -----------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All of it as bytes, for ``restore``."""
        return snapshot.encode(self._dump())

    @classmethod
    def restore(cls, data: bytes, limits: Limits | None = None) -> "View":
        """The view as it was; the log is followed from its ``seq`` and ``entry`` on. Raises SnapshotUnreadable."""
        state = snapshot.decode(data)
        view = cls(limits)
        view.seq, view.entry, view.policy_version = state.seq, state.entry, state.policy_version
        view.restored = state.seq
        view.locked, view.archived = state.locked, state.archived
        view.calls.load(state.calls)
        view.grants.load(state.grants)
        view.rules.load(state.rules)
        view.recent.load(state.recent)
        view.activity.load(state.activity)
        view.upstreams.load(state.upstreams)
        view.owners.load(state.owners)
        view.replicas.load(state.replicas)
        view.config.load(state.config)
        view.admins.load(state.admins)
        view.sessions.load(state.sessions)
        return view

    def digest(self) -> str:
        """The same for the same log, whether folded from nothing or from a snapshot on."""
        return snapshot.digest(self._dump())

    def _dump(self) -> Snapshot:
        return Snapshot(
            self.seq,
            self.entry,
            self.policy_version,
            self.locked,
            self.archived,
            self.calls.dump(),
            self.grants.dump(),
            self.rules.dump(),
            self.recent.dump(),
            self.activity.dump(),
            self.upstreams.dump(),
            self.owners.dump(),
            self.replicas.dump(),
            self.config.dump(),
            self.admins.dump(),
            self.sessions.dump(),
        )

    # --- folding ------------------------------------------------------------------------------------------------------

    def _table(self) -> dict[Any, Callable[[Recorded[Any]], object]]:
        """What each event type changes; one look-up per event."""
        calls = {e.ToolCallRequested, e.ExecutionQueued, e.ExecutionStarted, e.ApprovalNotified, e.ResultRead}
        table: dict[Any, Callable[[Recorded[Any]], object]] = dict.fromkeys(EVENT_TYPES.values(), self.activity.fold)
        table |= dict.fromkeys(calls, self.calls.fold)
        table |= dict.fromkeys(_members(e.CallEvent) - calls, self._call)
        table |= dict.fromkeys(_members(e.GrantEvent), self._grant)
        table |= dict.fromkeys(_members(e.RuleEvent), self._rule)
        table |= dict.fromkeys(_members(e.AdminEvent), self._admin)
        table |= dict.fromkeys(_members(e.UpstreamEvent), self._upstream)
        table |= dict.fromkeys(_members(e.OwnerEvent), self._owner)
        table |= dict.fromkeys(_members(e.SessionEvent), self._session)
        table |= {
            e.ResourceUpdated: self.sessions.fold_update,
            e.PolicyDecided: self._policy,
            e.ReplicaStarted: self._replica,
            e.ReplicaStopped: self._replica,
            e.ConfigLoaded: self._config,
            e.AccessLocked: self._lock,
            e.AccessUnlocked: self._lock,
            e.SegmentArchived: self._archive,
            e.SegmentsRemoved: self._archive,
            type(None): self._unreadable,
        }
        return table

    def _policy(self, recorded: Recorded[Any]) -> None:
        call = self.calls.fold(recorded)
        if call is None:
            return
        self.recent.fold(call)
        if call.action is Action.DENY:
            self.activity.fold_call(recorded, call)

    def _call(self, recorded: Recorded[Any]) -> None:
        call = self.calls.fold(recorded)
        if call is not None:
            self.activity.fold_call(recorded, call)
        else:  # it is not held any more, but that something came of it is not kept silent
            self.activity.fold(recorded)

    def _grant(self, recorded: Recorded[Any]) -> None:
        grant = self.grants.fold(recorded)
        self.activity.fold(recorded, grant.pattern if grant else None)

    def _rule(self, recorded: Recorded[Any]) -> None:
        rule = self.rules.fold(recorded)
        self.activity.fold(recorded, rule.pattern if rule else None)

    def _admin(self, recorded: Recorded[Any]) -> None:
        admin = self.admins.fold(recorded)
        self.activity.fold(recorded, admin.name if admin else None)

    def _upstream(self, recorded: Recorded[Any]) -> None:
        if not self._is_of_a_former_owner(recorded):
            self.upstreams.fold(recorded)
        self.activity.fold(recorded)

    def _owner(self, recorded: Recorded[Any]) -> None:
        """Of a server with one instance, only its owner's view of it counts."""
        owner = self.owners.fold(recorded)
        if owner is not None and owner.replica is not None:
            self.upstreams.keep_replica(owner.upstream, owner.replica)
        self.activity.fold(recorded)

    def _is_of_a_former_owner(self, recorded: Recorded[Any]) -> bool:
        """What a replica reports of a server that another one has taken over from it."""
        event, upstream = recorded.event, recorded.aggregate.partition("/")[2]
        owner = self.owners.get(upstream)
        if owner is None or owner.replica in {None, event.replica} or upstream not in self.config.singles():
            return False
        return event.lists is not None if isinstance(event, e.CatalogueChanged) else isinstance(event, e.UpstreamLost)

    def _session(self, recorded: Recorded[Any]) -> None:
        self.sessions.fold(recorded)
        if type(recorded.event) in _SHOWN:
            self.activity.fold(recorded)

    def _replica(self, recorded: Recorded[Any]) -> None:
        """One that starts again, or is forgotten, leaves nothing behind of its former life."""
        for replica in (recorded.event.replica, self.replicas.fold(recorded)):
            if replica is not None:
                self.upstreams.forget_replica(replica)
                self.config.forget_replica(replica)
        self.activity.fold(recorded)

    def _config(self, recorded: Recorded[Any]) -> None:
        self.config.fold(recorded)
        self.upstreams.keep_only(self.config.upstream_names())
        self.activity.fold(recorded)

    def _lock(self, recorded: Recorded[Any]) -> None:
        self.locked = evolve_lock(recorded)
        self.activity.fold(recorded)

    def _archive(self, recorded: Recorded[Any]) -> None:
        self.archived = evolve_archive(self.archived, recorded)
        self.activity.fold(recorded)

    def _unreadable(self, recorded: Recorded[Any]) -> None:
        """A type or shape of a newer release: what it happened to is marked, so that nothing here is decided on it."""
        kind = recorded.aggregate.partition("/")[0]
        if kind == "call":
            self.calls.fold(recorded)
        elif kind == "grant":
            self.grants.fold(recorded)
        elif kind == "rule":
            self.rules.fold(recorded)
        elif kind == "admin" or recorded.aggregate == ADMINS_AGGREGATE:
            self.admins.fold(recorded)
        elif kind == "owner":
            self.owners.fold(recorded)
        elif recorded.aggregate == LOCK_AGGREGATE:
            self.locked = evolve_lock(recorded)
        elif recorded.aggregate == ARCHIVE_AGGREGATE:
            self.archived = evolve_archive(self.archived, recorded)


def _members(union: Any) -> set[Any]:
    return set(union.__args__)
