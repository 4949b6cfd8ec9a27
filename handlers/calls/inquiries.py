"""Questions to a client in the middle of its call, and its answers: over the log, so that any replica may take them.

What is asked and answered is kept beside the log for a time, with fakes only; its digest stays on the log.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any, Final

import msgspec
import structlog
from msgspec import Raw

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.call import Call
from portero.domain.call_parts import Question
from portero.domain.commands import Answer, CallCommand, GiveInput, RequestInput, WithdrawInput
from portero.domain.events import InputGiven, InputWithdrawn, Recorded
from portero.domain.ids import CallId, ClientId, Millis, call_aggregate
from portero.domain.values import SYSTEM, Actor
from portero.errors import INTERNAL_ERROR, DecisionError, Invalid, LogError, RpcError
from portero.log import Write

logger = structlog.get_logger()

ANSWER_SECONDS: Final = 600.0
"""How long a person may take over a question."""
KEPT_SECONDS: Final = 86_400
"""How long questions and answers are kept beside the log."""

STOPS: Final = "Portero stops, and the client cannot be waited for."

Present = Callable[[str], Awaitable[None]]
"""Shows the client a question, by its key. Raises RpcError when it cannot be shown."""


class Unanswered(RpcError):
    """Nobody answered in time."""


class _Error(msgspec.Struct):
    code: int = INTERNAL_ERROR
    message: str = "the client gave no reason"
    data: Any = None


_error = msgspec.json.Decoder(_Error)


class _Waiting:
    """One question that this replica waits for the answer of."""

    def __init__(self, call: CallId, key: str) -> None:
        self.aggregate, self.key, self._call = call_aggregate(call), key, call
        self.given: asyncio.Future[InputGiven] = asyncio.get_running_loop().create_future()

    def seen(self, recorded: Recorded[Any], state: Call | None) -> None:
        event = recorded.event
        if recorded.aggregate != self.aggregate or self.given.done():
            return
        if isinstance(event, InputGiven) and event.key == self.key:
            self.given.set_result(event)
        elif isinstance(event, InputWithdrawn) and event.key == self.key:
            self.given.set_exception(Unanswered(INTERNAL_ERROR, event.reason))
        elif state is None or state.finished:
            self.given.set_exception(RpcError(INTERNAL_ERROR, "The call has ended meanwhile."))


class Inquiries:
    """One instance per process."""

    def __init__(self, core: Core, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._core = core
        self._seconds = answer_seconds
        self._waiting: set[_Waiting] = set()
        self._closed = False
        self._withdrawing: set[asyncio.Task[None]] = set()

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask(self, call: CallId, method: str, params: bytes, present: Present) -> bytes:
        """The JSON of the client's result; ``params`` and it hold fakes.

        Raises RpcError: the client refuses, cannot be asked, does not answer in time, or the call has ended.
        """
        core = self._core
        key = secrets.token_hex(6)
        waiting = _Waiting(call, key)
        if self._closed:
            raise RpcError(INTERNAL_ERROR, STOPS)
        self._waiting.add(waiting)
        end = core.view.subscribe(lambda recorded: waiting.seen(recorded, core.view.calls.get(call)))
        settled = False
        try:
            await self._request(call, key, method, params)
            await present(key)
            async with asyncio.timeout(self._seconds):
                given = await waiting.given
            settled = True
        except TimeoutError:
            raise Unanswered(INTERNAL_ERROR, f"{method}: the client did not answer in time.") from None
        except (DecisionError, LogError) as error:
            raise RpcError(INTERNAL_ERROR, f"{method}: the client could not be asked: {error}") from error
        finally:
            end()
            self._waiting.discard(waiting)
            if not settled:
                self._withdraw(call, key)
        return await self._answer(given)

    def close(self) -> None:
        """Portero stops: upstreams are told that no answer will come, so that their calls end in what time is left."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.given.done():
                waiting.given.set_exception(RpcError(INTERNAL_ERROR, STOPS))

    async def _request(self, call: CallId, key: str, method: str, params: bytes) -> None:
        blob = f"{call}.asks.{key}"

        def command(now: Millis) -> RequestInput:
            return RequestInput(key, method, Millis(now + round(self._seconds * 1000)), blob, _digest(params))

        await self._core.catch_up()  # the call itself may be so new that it is not seen yet
        await self._decide(call, command, SYSTEM, {blob: params})

    async def _answer(self, given: InputGiven) -> bytes:
        try:
            answer = await self._core.log.blob(given.blob)
        except LogError as error:
            raise RpcError(INTERNAL_ERROR, f"The client's answer cannot be read: {error}") from error
        if answer is None:
            raise RpcError(INTERNAL_ERROR, "The client's answer is no longer kept.")
        if given.refused:
            raise refusal(answer)
        return answer

    def _withdraw(self, call: CallId, key: str) -> None:
        """In the background: whoever waited may be cancelled."""
        task = asyncio.create_task(self._until_withdrawn(call, key), name=f"withdraw {call}")
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawing.discard)

    async def _until_withdrawn(self, call: CallId, key: str) -> None:
        try:
            await self._decide(call, lambda _: WithdrawInput(key, "The answer is not waited for any more."), SYSTEM)
        except (DecisionError, LogError) as error:
            logger.info("a question is left as it is", call=call, reason=str(error))

    # --- answering --------------------------------------------------------------------------------------------------

    async def give(
        self, client: ClientId, call: CallId, results: Mapping[str, bytes], errors: Mapping[str, bytes] | None = None
    ) -> None:
        """Takes a client's answers, JSON by key of the question; those to what is not asked are passed over.

        Raises Invalid (an answer is no JSON object, or means two things) or LogError.
        """
        core = self._core
        stored = {key: core.replacer.to_fake_stored(text) for key, text in {**results, **(errors or {})}.items()}
        blobs = {f"{call}.says.{key}.{secrets.token_hex(4)}": text for key, text in stored.items()}
        answers = tuple(
            Answer(key, blob, _digest(text), refused=key not in results)
            for (key, text), blob in zip(stored.items(), blobs, strict=True)
        )
        state = await self._asked(call, results.keys() | (errors or {}).keys()) if answers else None
        if state is not None and state.client == client:
            for question in state.questions:
                if results.get(question.key, b"{")[:1] != b"{":
                    raise Invalid("An answer must be a JSON object: the result of what was asked.")
            try:
                await self._decide(call, lambda _: GiveInput(answers), Actor("client", client), blobs)
            except Invalid:
                raise
            except DecisionError as error:
                logger.info("answers come too late", call=call, reason=str(error))

    async def _asked(self, call: CallId, keys: Set[str]) -> Call | None:
        """The call with its questions. Another replica may have asked one that has not been seen here yet."""
        calls = self._core.view.calls
        state = calls.get(call)
        if state is None or not keys <= {question.key for question in state.questions}:
            await self._core.catch_up()
        return calls.get(call)

    async def shown(self, questions: tuple[Question, ...]) -> dict[str, Raw]:
        """Questions as ``inputRequests`` of the protocol. Raises LogError."""
        found = {}
        for question in questions:
            params = await self._core.log.blob(question.blob)
            shown = {"method": question.method, "params": Raw(params if params is not None else b"{}")}
            found[question.key] = Raw(msgspec.json.encode(shown))
        return found

    # --- the log ----------------------------------------------------------------------------------------------------

    async def _decide(
        self,
        call: CallId,
        command: Callable[[Millis], CallCommand],
        by: Actor,
        blobs: Mapping[str, bytes] | None = None,
    ) -> None:
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            events = tuple(calls.decide(state, command(now), now))
            return (Write(call_aggregate(call), state.version, events),) if events and state is not None else ()

        appended = await core.commit(build, actor=by, blobs=blobs or {}, blob_ttl=KEPT_SECONDS)
        if appended is not None:
            await core.reach(appended.last)


def refusal(error: bytes) -> RpcError:
    """A client's JSON-RPC error."""
    try:
        found = _error.decode(error)
    except (ValueError, RecursionError):
        found = _Error()
    return RpcError(found.code, found.message, found.data)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
