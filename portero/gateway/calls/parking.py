"""Calls that wait for their client's answer in the newer era.

Such a client is asked by the answer to its request: it comes back with another request that holds the answers. Its call
goes on meanwhile, parked, in the task of the first request, and may find its answers on any replica through the log.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog
from msgspec import Raw, Struct

from handlers.between.returning import Wants
from handlers.calls.inquiries import Inquiries
from handlers.calls.outcomes import Done, Failed, failure_of
from portero.domain.call import Call
from portero.domain.ids import CallId, Seq
from portero.domain.values import SYSTEM, Actor, Kind, Status
from portero.errors import INTERNAL_ERROR, INVALID_PARAMS, OUTCOME_UNKNOWN, DecisionError, LogError, RpcError
from portero.gateway import wire
from portero.gateway.calls.backchannel import ClientChannel, ParkingChannel, meta_level
from portero.gateway.calls.taskids import task_id
from portero.gateway.calls.tasks import Tasks
from portero.gateway.exchange.flights import Flights
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.services import Services

log = structlog.get_logger("portero.gateway")

PURPOSE: Final = "parked call"
PREFIX: Final = "p:"
MAX_PARKED: Final = 256
"""Calls parked at once in this process, and of them for one client."""
MAX_PARKED_OF_CLIENT: Final = 64

_members = msgspec.json.Decoder(dict[str, Raw])


class Asking(Struct, frozen=True):
    """The client is asked before it gets a result; ``members`` are those of the protocol's ``InputRequiredResult``."""

    members: dict[str, Any]


class Parking:
    """One instance per process."""

    def __init__(self, services: Services, results: Results, tasks: Tasks, flights: Flights) -> None:
        self._services, self._results, self._tasks = services, results, tasks
        self._inquiries, self._flights = services.inquiries, flights
        self._parked: dict[CallId, ParkingChannel] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    # --- parking ----------------------------------------------------------------------------------------------------

    async def park(self, call: CallId, channel: ParkingChannel) -> None:
        """Answers the client's request with what it is asked, unless that has been done. Raises RpcError."""
        if channel.away is not None:
            channel.away.left()
        if channel.answered:
            return  # whoever comes back, or looks after the task, finds this question too
        parked = self._parked
        of_client = sum(other.client == channel.client for other in parked.values())
        if len(parked) >= MAX_PARKED or of_client >= MAX_PARKED_OF_CLIENT:
            raise RpcError(INTERNAL_ERROR, "Too many calls wait for answers of clients already.")
        state = self._services.core.view.calls.get(call)
        if state is None:
            raise RpcError(INTERNAL_ERROR, "The call has ended meanwhile.")
        asking = await self._asking(state)
        answer = wire.result(channel.request_id, self._results.own(asking.members, modern=True))
        channel.answered = True
        parked[call] = channel
        channel.away = self._services.returning.parked(call)
        self._flights.release(channel.reply)
        if not await channel.reply.detach(200, answer):
            self.left(channel)
            raise RpcError(INTERNAL_ERROR, "The client's request has been answered already.")

    def left(self, channel: ClientChannel) -> None:
        """The call has ended."""
        if channel.call is not None:
            self._parked.pop(channel.call, None)
            self._services.returning.ended(channel.call)

    async def give_up(self, call: CallId) -> None:
        """Its client did not come back: the upstream is told, and it stands on the log."""
        await self._cancel(call, SYSTEM, "its client did not come back with an answer")

    async def _cancel(self, call: CallId, by: Actor, reason: str) -> None:
        try:
            await self._services.decisions.cancel(call, by, reason=reason)
        except (DecisionError, LogError) as error:
            log.info("a parked call is left as it is", call=call, reason=str(error))

    async def _asking(self, call: Call) -> Asking:
        at = task_id(call.id, Seq(call.last_seq))
        return Asking(
            {
                "resultType": "input_required",
                "inputRequests": await self._inquiries.shown(call.questions),
                "requestState": PREFIX + self._services.sealer.sealed(PURPOSE, call.client, at),
            }
        )

    # --- coming back ------------------------------------------------------------------------------------------------

    async def resume(self, request: Request, kind: Kind, target: str, state: str) -> Done | Failed | Asking:
        """What comes of a parked call once the client's answers have reached it, on whatever replica it is parked.

        ``target`` is the policy name of what is asked for, which must be the same as before. Raises RpcError.
        """
        at = self._services.sealer.opened(PURPOSE, request.client, state.removeprefix(PREFIX))
        call = await self._tasks.find(request.client, at) if at is not None else None
        if call is None or (call.kind, call.tool) != (kind, target):
            raise RpcError(
                INVALID_PARAMS, "This requestState does not belong to this call. Begin it again, without one."
            )
        if (channel := self._parked.get(call.id)) is not None:
            channel.goes_on(request)
            return await self._answered(request, call)
        ear = ClientChannel(request, capabilities=None, log_level=meta_level(request.meta), pushes=False)
        wants = Wants(request.progress_token() is not None, ear.log_level)
        with self._services.returning.back(call, ear, wants):
            return await self._answered(request, call)

    async def _answered(self, request: Request, call: Call) -> Done | Failed | Asking:
        await take_answers(self._inquiries, request, call.id)
        try:
            return await self._follow(call)
        except asyncio.CancelledError:
            self._cancel_behind(call)
            raise

    async def _follow(self, call: Call) -> Done | Failed | Asking:
        """Until it has ended, or asks something more."""
        calls = self._services.core.view.calls
        while not ((call := calls.get(call.id) or call).finished or call.questions):
            await self._tasks.moved(call.id)
        if call.questions:
            return await self._asking(call)
        result = await self._tasks.result(call)
        if result is not None:
            return Done(call.id, result)
        if call.status is Status.ERROR and call.error is not None:
            return failure_of(call)
        return Failed(call.id, OUTCOME_UNKNOWN, self._tasks.standing(call, str(call.id), ""))

    def _cancel_behind(self, call: Call) -> None:
        """The client left while it waited: in the newer era that is the cancellation."""
        by = Actor("client", call.client)
        task = asyncio.create_task(self._cancel(call.id, by, "the client cancelled it"), name=f"cancel {call.id}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def take_answers(inquiries: Inquiries, request: Request, call: CallId) -> None:
    """The ``inputResponses`` of a request. Raises RpcError when they cannot be read."""
    try:
        answers = _members.decode(request.object("inputResponses"))
    except (ValueError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"The parameter 'inputResponses' cannot be read: {error}.") from None
    try:
        await inquiries.give(request.client, call, {key: bytes(raw) for key, raw in answers.items()})
    except DecisionError as error:
        raise RpcError(INVALID_PARAMS, str(error)) from error
