"""Replicas: when they started, stopped, and last wrote something."""

from typing import Any

import attrs

from portero.domain.events import Recorded, ReplicaStarted, ReplicaStopped
from portero.domain.ids import Millis, ReplicaId
from projections.limits import Limits


@attrs.frozen
class Replica:
    """``stopped_at`` None: it runs, or it died without a word; ``last_seen`` tells them apart."""

    id: ReplicaId
    version: str
    pid: int
    host: str
    endpoint: str
    started_at: Millis
    last_seen: Millis
    stopped_at: Millis | None = None
    stop_reason: str | None = None


class Replicas:
    """The newest ones, in the order they started."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._replicas: dict[ReplicaId, Replica] = {}
        self.seen: dict[ReplicaId, Millis] = {}
        """When each wrote last. The view keeps it, inline, because that is done for every event."""

    def get(self, replica: ReplicaId) -> Replica | None:
        state = self._replicas.get(replica)
        return None if state is None else attrs.evolve(state, last_seen=self.seen[replica])

    def all(self) -> list[Replica]:
        return [attrs.evolve(state, last_seen=self.seen[state.id]) for state in self._replicas.values()]

    def running(self) -> list[Replica]:
        """Those that have not said that they stop."""
        return [replica for replica in self.all() if replica.stopped_at is None]

    def present(self) -> list[Replica]:
        """Of those running, the newest at each address of a machine: who was there before it is gone."""
        newest = {(replica.host, replica.endpoint or replica.id): replica for replica in self.running()}
        return list(newest.values())

    def fold(self, recorded: Recorded[Any]) -> ReplicaId | None:
        """Returns the replica that is forgotten for it, if one is."""
        event, at = recorded.event, recorded.meta.at
        if isinstance(event, ReplicaStarted):
            self._replicas.pop(event.replica, None)
            self._replicas[event.replica] = Replica(
                event.replica, event.version, event.pid, event.host, event.endpoint, at, at
            )
            self.seen[event.replica] = at
            return self._forget_one() if len(self._replicas) > self._limits.replicas else None
        if isinstance(event, ReplicaStopped) and event.replica in self._replicas:
            state = self._replicas[event.replica]
            self._replicas[event.replica] = attrs.evolve(state, stopped_at=at, stop_reason=event.reason)
        return None

    def _forget_one(self) -> ReplicaId:
        """The oldest that has stopped; where none has, the oldest."""
        stopped = (state.id for state in self._replicas.values() if state.stopped_at is not None)
        oldest = next(stopped, next(iter(self._replicas)))
        del self._replicas[oldest], self.seen[oldest]
        return oldest

    def dump(self) -> tuple[Replica, ...]:
        return tuple(self.all())

    def load(self, state: tuple[Replica, ...]) -> None:
        self._replicas = {replica.id: replica for replica in state}
        self.seen = {replica.id: replica.last_seen for replica in state}
