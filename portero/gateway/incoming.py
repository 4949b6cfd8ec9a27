"""What clients send that has no answer: notifications, and their answers to what they were asked."""

import re
from typing import Final

from msgspec import UNSET

from handlers.calls.inquiries import Inquiries
from portero.domain.ids import CallId, ClientId
from portero.domain.mcp import SUPPORTED_VERSIONS, unsupported_version_data
from portero.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    LOG_UNAVAILABLE,
    UNSUPPORTED_VERSION,
    DecisionError,
    LogError,
    RpcError,
)
from portero.gateway import wire
from portero.gateway.calls.backchannel import QUESTION_PREFIX
from portero.gateway.exchange.admission import Inbound
from portero.gateway.exchange.cancelling import Cancellations

_QUESTION: Final = re.compile(re.escape(QUESTION_PREFIX) + r"([0-9a-z]{16})\.([0-9a-f]{12})")


class Incoming:
    def __init__(self, inquiries: Inquiries, cancellations: Cancellations) -> None:
        self._inquiries, self._cancellations = inquiries, cancellations
        self.flights = cancellations.flights

    async def take(self, inbound: Inbound, message: wire.Message) -> None:
        """Raises RpcError when the era does not take it."""
        if message.method is UNSET:
            answers = message.id is not UNSET and (message.result is not UNSET or message.error is not UNSET)
            if inbound.modern or not answers:
                raise wire.BadMessage(INVALID_REQUEST, "The body must be one JSON-RPC request or notification.")
            await self._answered(inbound.client, message)
        elif inbound.modern:
            requested = inbound.headers[b"mcp-protocol-version"].decode("latin-1")
            if requested not in SUPPORTED_VERSIONS:
                data = unsupported_version_data(requested)
                raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version.", data)
        elif message.method == "notifications/cancelled":
            await self._cancellations.cancel(inbound, message)

    async def _answered(self, client: ClientId, message: wire.Message) -> None:
        """A client's answer to a question of ours, from whatever replica; one to anything else is passed over."""
        identity = wire.decode_value(message.id, "id") if message.id is not UNSET else None
        match = _QUESTION.fullmatch(identity) if isinstance(identity, str) else None
        if match is None:
            return
        call, key = CallId(match[1]), match[2]
        refused = message.error is not UNSET and bytes(message.error) != wire.NULL  # some say null beside a result
        try:
            if message.result is not UNSET and not refused:
                await self._inquiries.give(client, call, {key: bytes(message.result)})
            elif message.error is not UNSET:
                await self._inquiries.give(client, call, {}, {key: bytes(message.error)})
        except DecisionError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        except LogError as error:
            raise RpcError(
                LOG_UNAVAILABLE, f"The audit log is unavailable, and the answer not taken: {error}"
            ) from error
