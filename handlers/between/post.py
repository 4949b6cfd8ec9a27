"""Letters between replicas about calls that one asks for and another runs: what is told, asked and answered.

Only fakes travel. Nothing rests on a letter's arrival but the answer to a question, and who asks gives up soon when
nothing is heard any more: so nothing waits for a replica that is gone.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from msgspec import Raw, Struct

from handlers.core import Core
from portero.domain.ids import CallId, ReplicaId
from portero.errors import INTERNAL_ERROR, LogError, RpcError
from portero.log import Mailbox
from portero.log.mail import LARGEST_BYTES

logger = structlog.get_logger()

SIGN_SECONDS: Final = 3.0
"""How often whoever seeks an answer says that it still does."""
SILENT_SECONDS: Final = 12.0
"""Nothing heard for so long: who was asked is gone."""
WAITING: Final = 1_000
"""Letters on their way out; when more wait, what is only told is dropped."""
NOTHING: Final = Raw(b"null")


class Letter(Struct, omit_defaults=True):
    """``kind`` says what it is: of the words below, or one that somebody has asked to get."""

    kind: str
    sender: ReplicaId
    call: CallId | None = None
    question: str | None = None
    """The id of what is asked, answered, or still being sought."""
    method: str = ""
    params: Raw = NOTHING
    upstream: str = ""
    error: tuple[int, str, Raw] | None = None


ANSWER, SEEKING = "answer", "seeking"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Letter).decode


class _Question:
    """What was asked of another replica. ``heard``: when there was a sign of it."""

    def __init__(self, to: ReplicaId) -> None:
        loop = asyncio.get_running_loop()
        self.to, self.heard = to, loop.time()
        self.answer: asyncio.Future[bytes] = loop.create_future()


class Post:
    """One instance per process. ``run`` takes and sends letters for as long as it runs."""

    def __init__(self, core: Core, *, silent_seconds: float = SILENT_SECONDS) -> None:
        self._core, self._mailbox = core, Mailbox(core.log)
        self._silent, self._sign = silent_seconds, min(SIGN_SECONDS, silent_seconds / 4)
        self._told: dict[str, Callable[[Letter], None]] = {}
        self._asked: dict[str, Callable[[Letter], Awaitable[bytes]]] = {}
        self._questions: dict[str, _Question] = {}
        self._seeking: set[asyncio.Task[None]] = set()
        self._out: deque[tuple[ReplicaId, bytes]] = deque()
        self._wake = asyncio.Event()

    def on_told(self, kind: str, take: Callable[[Letter], None]) -> None:
        """Who gets letters of this kind."""
        self._told[kind] = take

    def on_asked(self, kind: str, answer: Callable[[Letter], Awaitable[bytes]]) -> None:
        """Who answers questions of this kind, with the JSON of a result or an RpcError."""
        self._asked[kind] = answer

    # --- outwards ---------------------------------------------------------------------------------------------------

    def tell(self, to: ReplicaId, kind: str, **about: Any) -> None:
        """Sends what is of use now or never; dropped where it is too large, or too much waits already."""
        if len(self._out) >= WAITING:
            return
        try:
            self._put(to, Letter(kind, self._core.log.replica, **about))
        except RpcError as error:
            logger.info("a letter is not sent", to=to, kind=kind, reason=str(error))

    async def ask(self, to: ReplicaId, kind: str, **about: Any) -> bytes:
        """The JSON of the answer. Raises RpcError: a refusal, or nothing was heard of the other replica any more."""
        identity = secrets.token_hex(8)
        question = self._questions[identity] = _Question(to)
        try:
            self._put(to, Letter(kind, self._core.log.replica, question=identity, **about))
            while not question.answer.done():
                left = question.heard + self._silent - asyncio.get_running_loop().time()
                if left <= 0:
                    raise RpcError(INTERNAL_ERROR, f"Replica {to} does not answer any more.")
                await asyncio.wait([question.answer], timeout=left)
            return question.answer.result()
        finally:
            del self._questions[identity]

    def _put(self, to: ReplicaId, letter: Letter) -> None:
        raw = _encode(letter)
        if len(raw) > LARGEST_BYTES:
            raise RpcError(INTERNAL_ERROR, f"This is too large to be sent to another replica ({len(raw)} bytes).")
        self._out.append((to, raw))
        self._wake.set()

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mailbox.receive(self._received))
            group.create_task(self._send())

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._out:
                to = self._out[0][0]
                bag: list[bytes] = []
                while self._out and self._out[0][0] == to:
                    bag.append(self._out.popleft()[1])
                try:
                    await self._mailbox.send(to, bag)
                except LogError as error:  # who waits for one of them gives up by itself
                    logger.warning("letters to another replica are lost", to=to, letters=len(bag), error=str(error))

    # --- inwards ----------------------------------------------------------------------------------------------------

    def _received(self, raw: bytes) -> None:
        try:
            letter = _decode(raw)
        except msgspec.MsgspecError as error:  # of another release
            logger.warning("a letter cannot be read", error=str(error))
            return
        question = self._questions.get(letter.question) if letter.question is not None else None
        if letter.kind in {ANSWER, SEEKING}:
            if question is not None:
                self._heard(question, letter)
        elif letter.question is not None:
            task = asyncio.create_task(self._seek(letter), name=f"{letter.kind} of {letter.sender}")
            self._seeking.add(task)
            task.add_done_callback(self._seeking.discard)
        elif (take := self._told.get(letter.kind)) is not None:
            take(letter)

    def _heard(self, question: _Question, letter: Letter) -> None:
        question.heard = asyncio.get_running_loop().time()
        if letter.kind == SEEKING or question.answer.done():
            return
        if letter.error is None:
            question.answer.set_result(bytes(letter.params))
        else:
            code, message, data = letter.error
            question.answer.set_exception(RpcError(code, message, None if data == NOTHING else data))

    async def _seek(self, letter: Letter) -> None:
        """Answers a question, however long that takes, and says meanwhile that it is being done."""
        me = self._core.log.replica
        answering = asyncio.create_task(self._answer(letter))
        try:
            while not (await asyncio.wait([answering], timeout=self._sign))[0]:
                self._put(letter.sender, Letter(SEEKING, me, question=letter.question))
            self._put(letter.sender, answering.result())
        finally:
            answering.cancel()

    async def _answer(self, letter: Letter) -> Letter:
        answered = Letter(ANSWER, self._core.log.replica, question=letter.question)
        try:
            answered.params = _fitting(await self._asked.get(letter.kind, _nobody)(letter))
        except RpcError as error:
            data = NOTHING if error.data is None else Raw(msgspec.json.encode(error.data))
            answered.params, answered.error = NOTHING, (error.code, str(error), data)
        except Exception:
            logger.exception("a question of another replica could not be answered", kind=letter.kind)
            answered.error = (INTERNAL_ERROR, "The other replica failed on this; its log says why.", NOTHING)
        return answered


async def _nobody(letter: Letter) -> bytes:
    raise RpcError(INTERNAL_ERROR, f"This replica knows no questions of the kind {letter.kind!r}.")


def _fitting(answer: bytes) -> Raw:
    if len(answer) > LARGEST_BYTES // 2:
        raise RpcError(INTERNAL_ERROR, "The answer is too large to be sent to another replica.")
    return Raw(answer)
