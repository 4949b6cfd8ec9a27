"""From a JSON-RPC request to its answer: whatever goes wrong on the way ends as a JSON-RPC error."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from portero.errors import (
    HEADER_MISMATCH,
    HTTP_STATUS,
    INTERNAL_ERROR,
    LOG_UNAVAILABLE,
    CallError,
    LogError,
    RpcError,
)
from portero.gateway import texts, wire
from portero.gateway.exchange.admission import Inbound
from portero.gateway.exchange.reply import BatchReply, HttpReply
from portero.gateway.exchange.request import Request
from portero.gateway.methods import Methods
from portero.gateway.notices.listen import Listening
from portero.telemetry import GATEWAY_SECONDS

log = structlog.get_logger("portero.gateway")

LISTEN: Final = "subscriptions/listen"
OK: Final = 200


class Dispatch:
    """Answers requests. Raises nothing but CancelledError."""

    def __init__(self, methods: Methods, listening: Listening, mask: Callable[[bytes], bytes]) -> None:
        """``mask`` hides real values in JSON: an error may quote what a client sent."""
        self._mask = mask
        self._methods = methods
        self._listening = listening

    async def answer(self, inbound: Inbound, message: wire.Message, reply: HttpReply | BatchReply) -> tuple[int, bytes]:
        """The HTTP status and the JSON-RPC answer. The older era answers every request with 200, errors too."""
        request_id = bytes(message.id)  # type: ignore[arg-type] # only messages with an id come here
        began = time.perf_counter()
        try:
            request = Request(inbound, message, reply)
            if inbound.modern and request.method == LISTEN:
                return OK, wire.result(request_id, await self._listening.listen(request))
            result = await self._methods.get(request)(request)
        except RpcError as error:
            return _status(error, inbound), rpc_error(error, request_id, self._mask)
        except LogError as error:
            text = f"{texts.log_trouble(error)} What is not on the log is not done."
            return (503 if inbound.modern else OK), wire.error(request_id, LOG_UNAVAILABLE, text)
        except Exception:
            log.exception("request failed", method=message.method)
            return OK, wire.error(request_id, INTERNAL_ERROR, "Portero failed on this request. Its log says why.")
        if request.elsewhere:
            GATEWAY_SECONDS.observe(time.perf_counter() - began - request.elsewhere)
        return OK, wire.result(request_id, result)


def _status(error: RpcError, inbound: Inbound) -> int:
    """Only the protocol's own codes of an upstream's error have a status: the others are not about this request."""
    of_call = isinstance(error, CallError)
    if error.code == HEADER_MISMATCH and not of_call:
        return HTTP_STATUS[error.code]  # a client of the newer era that says so in the body only
    if not inbound.modern or (of_call and error.code > 0):
        return OK
    return HTTP_STATUS.get(error.code, OK)


def rpc_error(error: RpcError, request_id: bytes, mask: Callable[[bytes], bytes] = bytes) -> bytes:
    """``mask`` sees the error alone: the id is the client's own, and must come back as it was."""
    return wire.error(request_id, error.code, str(error), error.data, mask)
