"""How an upstream is doing, as it is."""

from enum import StrEnum

import attrs

from portero.domain.ids import Millis


class State(StrEnum):
    STARTING = "starting"
    CONNECTED = "connected"
    LOST = "lost"
    """Not connected; it will be tried again at ``retry_at``, or is being tried right now."""
    CRASH_LOOP = "crash-loop"
    """It fails again and again soon after its start; it is still tried, but slowly."""
    ELSEWHERE = "elsewhere"
    """Of this server there is one instance, and this replica does not run it."""
    DISABLED = "disabled"
    STOPPED = "stopped"


@attrs.frozen
class UpstreamStatus:
    """``since`` is when ``state`` began, ``failures`` how often it failed in a row; ``last_error`` is for people."""

    name: str
    state: State
    since: Millis
    transport: str
    failures: int = 0
    restarts: int = 0
    retry_at: Millis | None = None
    last_error: str | None = None
    server: str | None = None
    """Name and version as the server gives them."""
    protocol: str | None = None
    instructions: str | None = None
    pid: int | None = None
    tools: int = 0
    resources: int = 0
    templates: int = 0
    prompts: int = 0
    dropped: tuple[str, ...] = ()
    """Tools and prompts that are refused, each with the reason."""
    in_flight: int = 0
    garbage: int = 0
    """Lines on its standard output, or bodies, that were no JSON-RPC."""
