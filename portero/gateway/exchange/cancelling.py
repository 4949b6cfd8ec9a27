"""Cancellation in the older era: a notification that may reach another replica than the request it calls off."""

import hashlib
from typing import Any

import structlog

from handlers.resources.subscriptions import Subscriptions
from portero.domain.events import Recorded
from portero.domain.ids import ReplicaId
from portero.errors import LogError
from portero.gateway import wire
from portero.gateway.exchange.admission import Inbound
from portero.gateway.exchange.flights import Flights, Key
from portero.gateway.exchange.sessions import SESSION

log = structlog.get_logger("portero.gateway")


def flight_key(inbound: Inbound, request_id: bytes) -> Key:
    """What a cancellation can be matched by. JSON-RPC ids are the client's own: ``1`` and ``"1"`` are two."""
    peer = "" if SESSION in inbound.headers else inbound.peer
    return inbound.client, inbound.session.key, peer, request_id


class Cancellations:
    """Finds the request here or, through the log, on another replica; without a session only here."""

    def __init__(self, flights: Flights, subscriptions: Subscriptions, replica: ReplicaId) -> None:
        self.flights = flights
        self._subscriptions = subscriptions
        self._replica = replica

    async def cancel(self, inbound: Inbound, message: wire.Message) -> None:
        cancelled = wire.cancelled_request(message)
        if cancelled is None or self.flights.cancel(flight_key(inbound, cancelled)) or SESSION not in inbound.headers:
            return
        try:
            await self._subscriptions.call_off(inbound.client, inbound.session.key, _digest(cancelled))
        except LogError as error:
            log.warning("a cancellation could not be passed on", error=str(error))

    def seen(self, recorded: Recorded[Any]) -> None:
        """To be told of every RequestCancelled."""
        event = recorded.event
        if recorded.meta.replica == self._replica:
            return
        session = recorded.aggregate[8:]

        def named(key: Key) -> bool:
            client, its_session, _, request_id = key
            return (client, its_session) == (event.client, session) and _digest(request_id) == event.request

        self.flights.cancel_where(named)


def _digest(request_id: bytes) -> str:
    return hashlib.sha256(request_id).hexdigest()
