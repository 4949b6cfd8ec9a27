"""The way back to a client that waits at another replica, and the other end of that way."""

import asyncio
from typing import Final

from msgspec import Raw

from handlers.between.elsewhere import Elsewhere
from handlers.between.post import Letter, Post
from handlers.calls.execution import Waiting
from handlers.core import Core
from portero.domain.call import Call
from portero.domain.call_parts import Queued
from portero.domain.ids import CallId, ClientId, call_aggregate
from portero.errors import METHOD_NOT_FOUND, RpcError

PROGRESS, TELL, ASK = "progress", "tell", "ask"
PROGRESS_SECONDS: Final = 0.1
"""Progress is told no more often: the newest counts, and what is skipped may be."""


class RemoteChannel:
    """See ``handlers.calls.bridging.Channel``: what goes through it travels as a letter. Only fakes come here."""

    def __init__(self, post: Post, call: Call, queued: Queued) -> None:
        event = queued.event
        self.client: ClientId = call.client
        self.capabilities = event.capabilities.encode() if event.capabilities is not None else None
        self.log_level = event.log_level
        self.pushes = event.pushes
        self.call: CallId | None = call.id
        self.kept = call.is_task
        self.as_task = False
        self._post, self._to = post, event.replica
        self._told_at = 0.0

    def progress(self, params: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            self._post.tell(self._to, PROGRESS, call=self.call, params=Raw(params))

    def tell(self, method: str, params: bytes) -> None:
        self._post.tell(self._to, TELL, call=self.call, method=method, params=Raw(params))

    async def ask(self, method: str, params: bytes) -> bytes:
        return await self._post.ask(self._to, ASK, call=self.call, method=method, params=Raw(params))


class Remote:
    """Both ends: the client of a call that runs here, and of calls that wait here for other replicas."""

    def __init__(self, core: Core, post: Post, elsewhere: Elsewhere) -> None:
        self._core, self._post, self._elsewhere = core, post, elsewhere
        post.on_told(PROGRESS, self._progress)
        post.on_told(TELL, self._tell)
        post.on_asked(ASK, self._ask)

    def waiting(self, call: Call) -> Waiting | None:
        """Who waits for a call that starts here."""
        there = self._elsewhere.waiting(call_aggregate(call.id))
        if there is not None:
            if there.request.channel is not None:
                there.request.channel.call = call.id  # it may be here before whoever asked for it knows that
            return Waiting(there.request.on_progress, there.request.channel)
        if call.queued is None:
            return None
        channel = RemoteChannel(self._post, call, call.queued)
        return Waiting(channel.progress if call.queued.event.progress else None, channel)

    def _progress(self, letter: Letter) -> None:
        there = self._elsewhere.waiting(call_aggregate(letter.call or CallId("")))
        if there is not None and there.request.on_progress is not None:
            there.request.on_progress(bytes(letter.params))

    def _tell(self, letter: Letter) -> None:
        there = self._elsewhere.waiting(call_aggregate(letter.call or CallId("")))
        if there is not None and there.request.channel is not None:
            there.request.channel.tell(letter.method, bytes(letter.params))

    async def _ask(self, letter: Letter) -> bytes:
        there = self._elsewhere.waiting(call_aggregate(letter.call or CallId("")))
        if there is None or there.request.channel is None:
            raise RpcError(METHOD_NOT_FOUND, f"{letter.method}: the client is not there any more")
        answer = await there.request.channel.ask(letter.method, bytes(letter.params))
        return self._core.replacer.to_fake_stored(answer)
