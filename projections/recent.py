"""Which tools each client has used lately: they are listed beside the pinned ones."""

from typing import Final

import attrs

from portero.domain.call import Call
from portero.domain.ids import ClientId
from portero.domain.values import Action, Kind
from projections.limits import Limits

NOTHING: Final[frozenset[str]] = frozenset()


@attrs.frozen
class RecentState:
    client: ClientId
    tools: tuple[str, ...]


class Recent:
    """A denied call is no use of a tool."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tools: dict[ClientId, dict[str, None]] = {}
        """Longest ago first."""
        self._sets: dict[ClientId, frozenset[str]] = {}

    def used(self, client: ClientId) -> frozenset[str]:
        """Names ``server/tool``. The same object while it holds the same names, so that lists can be kept by it."""
        names = self._sets.get(client)
        if names is not None:
            return names
        tools = self._tools.get(client)
        if tools is None:
            return NOTHING
        names = self._sets[client] = frozenset(tools)
        return names

    def fold(self, call: Call) -> None:
        """``call`` was decided by policy just now."""
        request = call.origin.request
        if request.kind is not Kind.TOOL or call.action is Action.DENY:
            return
        client, tool = request.client, f"{request.upstream}/{request.name}"
        tools = self._tools.get(client)
        if tools is None:
            tools = self._tools[client] = {}
            if len(self._tools) > self._limits.clients:
                self._forget(next(iter(self._tools)))
        if tool in tools:
            if next(reversed(tools)) != tool:
                del tools[tool]
                tools[tool] = None
            return
        tools[tool] = None
        self._sets.pop(client, None)
        if len(tools) > self._limits.recent_tools:
            del tools[next(iter(tools))]

    def _forget(self, client: ClientId) -> None:
        del self._tools[client]
        self._sets.pop(client, None)

    def dump(self) -> tuple[RecentState, ...]:
        return tuple(RecentState(client, tuple(tools)) for client, tools in self._tools.items())

    def load(self, state: tuple[RecentState, ...]) -> None:
        self._tools = {item.client: dict.fromkeys(item.tools) for item in state}
        self._sets.clear()
