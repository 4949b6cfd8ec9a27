"""Requests from a server to us: pings are answered, the rest is somebody else's to answer or refuse."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from portero.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError
from portero.upstream.hooks import OnRequest, ServerRequest
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.calls import Call

log = structlog.get_logger("portero.upstream")


class _Cancelled(msgspec.Struct, gc=False):
    requestId: int | str | None = None  # noqa: N815 - the protocol's spelling


_cancelled = msgspec.json.Decoder(_Cancelled)


class Answering:
    """``post`` sends a message to the server that asked."""

    def __init__(self, post: Callable[[bytes], None], on_request: OnRequest | None) -> None:
        self._post, self._on_request = post, on_request
        self._tasks: dict[int | str, asyncio.Task[None]] = {}

    def asked(self, request: ServerRequest, identity: int | str, concerned: Sequence[Call] = ()) -> None:
        """``concerned``: the calls it may belong to; they do not time out while the answer is sought."""
        if request.method == "ping":
            self._post(jsonrpc.result(identity, b"{}"))
        elif self._on_request is None:
            log.info("request from the server refused", upstream=request.upstream, method=request.method)
            text = f"{request.method} is not offered to this server"
            self._post(jsonrpc.error(identity, METHOD_NOT_FOUND, text))
        else:
            task = asyncio.get_running_loop().create_task(self._answer(request, identity, self._on_request))
            self._tasks[identity] = task
            for call in concerned:
                call.questions += 1
            task.add_done_callback(lambda _: self._answered(identity, concerned))

    def _answered(self, identity: int | str, concerned: Sequence[Call]) -> None:
        self._tasks.pop(identity, None)
        now = asyncio.get_running_loop().time()
        for call in concerned:
            call.questions -= 1
            call.alive(now)

    def cancelled(self, params: bytes) -> None:
        """The server does not wait any more; the spec wants no answer then."""
        try:
            identity = _cancelled.decode(params).requestId
        except msgspec.DecodeError:
            return
        task = self._tasks.get(identity) if identity is not None else None
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    async def _answer(self, request: ServerRequest, identity: int | str, on_request: OnRequest) -> None:
        try:
            message = jsonrpc.result(identity, await on_request(request))
        except RpcError as error:
            data = None if error.data is None else msgspec.json.encode(error.data)
            message = jsonrpc.error(identity, error.code, str(error), data)
        except Exception:
            log.exception("a request could not be answered", upstream=request.upstream, method=request.method)
            message = jsonrpc.error(identity, INTERNAL_ERROR, "the gateway could not answer this request")
        self._post(message)
