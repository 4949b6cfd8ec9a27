"""How much of the past the projections hold. The same on every replica, so that all of them hold the same."""

import attrs


@attrs.frozen
class Limits:
    """Open calls are always held, beside these."""

    tasks: int = 10_000
    """Finished calls that a person was asked about, or whose outcome was lost."""
    task_bytes: int = 64 * 1024 * 1024
    """JSON text that the finished ones may hold together."""
    ended: int = 1_000
    """Finished calls that nobody was asked about."""
    ended_bytes: int = 1_024
    """Arguments that one of those keeps; longer ones are dropped when it ends."""
    grants: int = 1_000
    """Grants that have ended."""
    activity: int = 10_000
    replicas: int = 200
    clients: int = 1_000
    """Clients whose recently used tools are known."""
    recent_tools: int = 20
    """For each of them."""
    sessions: int = 10_000
    """Sessions without a subscription of which something is known."""
