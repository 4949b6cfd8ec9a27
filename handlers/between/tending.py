"""Tasks that upstreams make themselves: what is said to them is a call, and what they come to is on the log, too."""

import hashlib
from collections import OrderedDict
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from handlers.between.passing import Passing
from handlers.between.post import Letter, Post
from handlers.calls.continued import Tended
from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import CallRequest, Pending, Refused, Requests
from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import ShowUpstreamTask
from portero.domain.events import UpstreamTaskShown
from portero.domain.ids import CallId, ClientId, Millis, ReplicaId, call_aggregate
from portero.domain.values import Actor, Kind, Reason, ToolFacts
from portero.errors import INTERNAL_ERROR, LOG_UNAVAILABLE, UPSTREAM_UNAVAILABLE, LogError, RpcError, UpstreamRefused
from portero.log import Write

TENDED: Final = "tended"
GET: Final = "tasks/get"
WORKING: Final = "working"
CONTENT: Final = {"input_required": "inputRequests", "completed": "result", "failed": "error", "cancelled": ""}
"""By a task's status: the member that holds what it has come to."""
NO_TASK: Final = "The upstream's answer is no task in a state that the protocol knows."
REMEMBERED: Final = 4_096
"""Tasks of which this replica knows what it wrote last, beside those that the view holds."""
FACTS: Final = {Kind.TASK_UPDATE: ToolFacts(), Kind.TASK_CANCEL: ToolFacts(idempotent=True)}
"""To cancel twice is to cancel once, says the protocol. What it does to answers that come twice it does not say."""

_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_status: Final = msgspec.json.Decoder(Literal["working", "input_required", "completed", "failed", "cancelled"]).decode


Said = Done | Failed | Refused


class UpstreamTask(Struct, array_like=True, frozen=True):
    """One of them. ``tool``: as policies know it; ``call``: whose result it was.

    ``replica``: whose instance of the server has it, where each replica runs one of its own.
    """

    upstream: str
    task: str
    tool: str
    call: CallId
    replica: ReplicaId | None = None


class _Said(Struct):
    """What a letter of the kind ``tended`` holds."""

    client: ClientId
    kind: Kind
    task: UpstreamTask
    params: Raw
    trace: str | None = None


class _Reply(Struct, omit_defaults=True):
    """An Answer in a letter: a result, an error, or why it was refused."""

    call: CallId
    result: Raw | UnsetType = UNSET
    error: tuple[int, str, Raw] | None = None
    refused: Reason | None = None


_said: Final = msgspec.json.Decoder(_Said).decode
_reply: Final = msgspec.json.Decoder(_Reply).decode


class _Forgotten(Exception):
    """The view does not hold the call any more."""


class Tending:
    """One instance per process."""

    def __init__(self, core: Core, requests: Requests, passing: Passing, post: Post) -> None:
        self._core, self._requests, self._passing, self._post = core, requests, passing, post
        self._written: OrderedDict[CallId, ShowUpstreamTask] = OrderedDict()
        post.on_asked(TENDED, self._asked)

    async def get(self, client: ClientId, task: UpstreamTask, params: bytes, capabilities: bytes | None) -> bytes:
        """How it stands, as the JSON of the upstream's result (``params`` too, fakes in both).

        Nobody is told how a task ended, or what it asks, before the log says that they are: raises LogError, and
        UpstreamError, its text and data free of reals.
        """
        result = await self._passing.request(task.upstream, GET, params, capabilities, task.replica)
        shown = _news(result)
        if shown is not None and self._written.get(task.call) != shown:
            await self._write(client, task.call, shown)
            self._remember(task.call, shown)
        return result

    async def say(
        self, client: ClientId, kind: Kind, task: UpstreamTask, params: bytes, trace: str | None = None
    ) -> Said:
        """Sends answers to what it asks, or the wish that it ends; ``params`` is the JSON for the upstream, with fakes.

        It is a call like others, and on the log where the task is. Raises LogError, and UpstreamError where that is a
        replica which is gone.
        """
        where = self._passing.place(task.upstream, task.replica)
        if where == self._core.log.replica:
            return await self._say(_Said(client, kind, task, Raw(params), trace))
        letter = Raw(msgspec.json.encode(_Said(client, kind, task, Raw(params), trace)))
        reply = _reply(await self._post.ask(where, TENDED, upstream=task.upstream, params=letter))
        if reply.refused is not None:
            return Refused(reply.call, reply.refused)
        if reply.error is not None:
            code, message, data = reply.error
            return Failed(reply.call, code, message, None if data == b"null" else bytes(data))
        return Done(reply.call, b"{}" if reply.result is UNSET else bytes(reply.result))

    async def _say(self, said: _Said) -> Said:
        task = said.task
        answer = await self._requests.call(
            CallRequest(
                said.client,
                said.kind,
                task.upstream,
                task.tool.partition("/")[2],
                bytes(said.params),
                FACTS[said.kind],
                trace=said.trace,
                precedent=Tended(task.call, said.kind),
            )
        )
        if isinstance(answer, Pending):
            raise RpcError(INTERNAL_ERROR, "What rests on an earlier decision is never asked about.")
        return answer

    async def _asked(self, letter: Letter) -> bytes:
        said = _said(letter.params)
        if self._passing.place(said.task.upstream, said.task.replica) != self._core.log.replica:
            raise RpcError(UPSTREAM_UNAVAILABLE, f"{said.task.upstream} does not run here any more; nothing was sent.")
        try:
            answer = await self._say(said)
        except LogError as error:
            raise RpcError(LOG_UNAVAILABLE, str(error)) from error
        if isinstance(answer, Done):
            reply = _Reply(answer.call, Raw(answer.result))
        elif isinstance(answer, Failed):
            reply = _Reply(answer.call, error=(answer.code, answer.message, Raw(answer.data or b"null")))
        else:
            reply = _Reply(answer.call, refused=answer.reason)
        return msgspec.json.encode(reply)

    # --- what it has come to ----------------------------------------------------------------------------------------

    async def _write(self, client: ClientId, call: CallId, shown: ShowUpstreamTask) -> None:
        core, aggregate, by = self._core, call_aggregate(call), Actor("client", client)
        if core.view.calls.get(call) is None:
            await core.catch_up()

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            if state is None:
                raise _Forgotten
            events = tuple(calls.decide(state, shown, now))
            return (Write(aggregate, state.version, events, ends=state.finished),) if events else ()

        try:
            await core.commit(build, actor=by)
        except _Forgotten:
            event = UpstreamTaskShown(shown.status, shown.digest, shown.size)
            await core.log.append(Write(aggregate, None, (event,), ends=True), actor=by, now=core.clock())

    def _remember(self, call: CallId, shown: ShowUpstreamTask) -> None:
        self._written[call] = shown
        self._written.move_to_end(call)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def _news(result: bytes) -> ShowUpstreamTask | None:
    """What the log has to say of an answer; None while the task only works."""
    try:
        members = _members(result)
        status = _status(members["status"])
    except (msgspec.MsgspecError, RecursionError, KeyError):
        raise UpstreamRefused(INTERNAL_ERROR, NO_TASK) from None
    if status == WORKING:
        return None
    content = bytes(members.get(CONTENT[status], b""))
    return ShowUpstreamTask(status, hashlib.sha256(content).hexdigest(), len(content))
