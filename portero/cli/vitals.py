"""What the log cannot know by itself: whether the gateways it names still answer, and how the store is."""

import asyncio
import os
import socket
from typing import Any, Final

import attrs

from portero.cli import probe
from portero.cli.place import Place
from portero.cli.times import ago, iso
from portero.domain.archive import witness
from portero.log import Health
from projections import View
from projections.replicas import Replica
from projections.upstreams import UpstreamState

MEBIBYTE: Final = 1 << 20


@attrs.frozen
class Gateway:
    """A replica that has not said that it stopped, and what it answers now."""

    replica: Replica
    state: str
    answers: bool

    def shape(self) -> dict[str, Any]:
        return {
            "id": self.replica.id,
            "endpoint": self.replica.endpoint,
            "state": self.state,
            "answers": self.answers,
            "version": self.replica.version,
            "pid": self.replica.pid,
            "host": self.replica.host,
            "startedAt": iso(self.replica.started_at),
            "lastSeenAt": iso(self.replica.last_seen),
        }


async def gateways(view: View) -> list[Gateway]:
    """Those that run, and those that ended without a word and that nothing has taken the place of."""
    replicas = view.replicas.running()
    states = await asyncio.gather(*(_state(replica) for replica in replicas))
    found = [Gateway(replica, *state) for replica, state in zip(replicas, states, strict=True)]
    answering = {gateway.replica.endpoint for gateway in found if gateway.answers}
    return [gateway for gateway in found if gateway.answers or gateway.replica.endpoint not in answering]


def servers(view: View, living: list[Gateway]) -> list[UpstreamState]:
    """Their servers, as they have said themselves: of a gateway that is gone they say nothing."""
    known = {gateway.replica.id for gateway in living if not gone(gateway.replica)}
    return [state for state in view.upstreams.states() if state.replica in known]


async def _state(replica: Replica) -> tuple[str, bool]:
    if gone(replica):
        return "gone: it ended without a word", False
    page = await probe.get(f"{replica.endpoint}/ready") if replica.endpoint else None
    if page is None:
        return "does not answer from here", False
    if page.status == 200:
        return "ready", True
    reasons = page.body.get("reasons", []) if isinstance(page.body, dict) else []
    return f"not ready: {' '.join(str(reason) for reason in reasons)}", True


def gone(replica: Replica) -> bool:
    """Whether its process is known to have ended: only on this machine can that be known."""
    if replica.host != socket.gethostname():
        return False
    try:
        os.kill(replica.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def any_gateway(view: View) -> bool:
    """Whether a gateway runs, as far as can be said without asking it."""
    return any(not gone(replica) for replica in view.replicas.running())


def memory_words(health: Health) -> str:
    limit = f" of {health.memory_limit // MEBIBYTE} MiB" if health.memory_limit else ""
    return f"{health.memory_used / MEBIBYTE:.1f} MiB{limit}"


def archive_words(place: Place, view: View, moment: int) -> str:
    if place.archive is None:
        return "off: the log stays in the store. PORTERO_ARCHIVE names a place for it"
    if view.archived is None:
        return f"nothing yet, in {place.archive}"
    return f"up to event {view.archived.last}, {ago(view.archived.at, moment)}, in {place.archive}"


def archive_shape(place: Place, view: View, log: str) -> dict[str, Any] | None:
    """None: there is none."""
    if place.archive is None:
        return None
    archived = view.archived
    return {
        "where": str(place.archive),
        "lastEvent": archived.last if archived else 0,
        "at": iso(archived.at) if archived else None,
        "head": witness(log, archived) if archived else None,
        "waiting": view.seq - (archived.last if archived else 0),
    }


def store_words(place: Place, health: Health) -> str:
    return f"{place}; {health.server}, {health.persistence}, {memory_words(health)}"


def store_shape(place: Place, health: Health) -> dict[str, Any]:
    return {
        "where": str(place),
        "server": health.server,
        "persistence": health.persistence,
        "eviction": health.eviction,
        "memoryBytes": health.memory_used,
        "memoryLimitBytes": health.memory_limit,
        "problems": [problem.text for problem in health.problems],
    }
