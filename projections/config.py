"""The configuration that each replica decides with, by its digests."""

import attrs

from portero.domain.events import ConfigLoaded, Recorded
from portero.domain.ids import Millis, ReplicaId


@attrs.frozen
class Loaded:
    at: Millis
    config: ConfigLoaded


class Config:
    """Of the replicas that have not stopped."""

    def __init__(self) -> None:
        self._loaded: dict[ReplicaId, Loaded] = {}

    def of(self, replica: ReplicaId) -> Loaded | None:
        return self._loaded.get(replica)

    def all(self) -> list[Loaded]:
        return list(self._loaded.values())

    def newest(self) -> Loaded | None:
        return next(reversed(self._loaded.values()), None)

    @property
    def differs(self) -> bool:
        """Two replicas decide by different policies, replace differently, or have different upstreams."""
        digests = {(item.config.policies, item.config.replacements, item.config.upstreams) for item in self.all()}
        return len(digests) > 1

    def upstream_names(self) -> set[str]:
        """Those that some replica is configured with."""
        return {name for item in self._loaded.values() for name in item.config.upstream_names}

    def singles(self) -> frozenset[str]:
        """Those of which there is one instance for all replicas, by the newest configuration."""
        loaded = self.newest()
        return frozenset(loaded.config.singles) if loaded is not None else frozenset()

    def fold(self, recorded: Recorded[ConfigLoaded]) -> None:
        event = recorded.event
        self._loaded.pop(event.replica, None)
        self._loaded[event.replica] = Loaded(recorded.meta.at, event)

    def forget_replica(self, replica: ReplicaId) -> None:
        self._loaded.pop(replica, None)

    def dump(self) -> tuple[Loaded, ...]:
        return tuple(self._loaded.values())

    def load(self, state: tuple[Loaded, ...]) -> None:
        self._loaded = {item.config.replica: item for item in state}
