"""What the log is told of upstreams: every event once, and only what really changed."""

from collections.abc import Callable

from portero.domain.events import CatalogueChanged, UpstreamConnected, UpstreamEvent, UpstreamLost
from portero.domain.ids import ReplicaId
from portero.upstream.session.status import State


class Reporting:
    """``on_event`` gets the upstream's name and the event."""

    def __init__(self, replica: ReplicaId, on_event: Callable[[str, UpstreamEvent], None]) -> None:
        self._replica, self._on_event = replica, on_event
        self._states: dict[str, State] = {}
        self._catalogues: dict[str, str] = {}
        """The digest of what each offers."""

    def connected(self, name: str, event: UpstreamConnected) -> None:
        if self._states.get(name) is not State.CONNECTED:
            self._states[name] = State.CONNECTED
            self._on_event(name, event)

    def lost(self, name: str, event: UpstreamLost, state: State) -> None:
        """Not each attempt of a server that stays lost."""
        if self._states.get(name) is not state:
            self._states[name] = state
            self._on_event(name, event)

    def stopped(self, name: str, reason: str) -> None:
        """It was ended here. If it runs here again, what it offers is said again: it may run elsewhere now."""
        self._catalogues.pop(name, None)
        if self._states.get(name) is State.CONNECTED:
            self.lost(name, UpstreamLost(self._replica, reason, 0, False, None), State.STOPPED)

    def offers(self, name: str, event: CatalogueChanged) -> None:
        """No list that is the same as before."""
        if self._catalogues.get(name) != event.digest:
            self._catalogues[name] = event.digest
            self._on_event(name, event)
