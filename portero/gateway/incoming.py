"""What clients send that has no answer: notifications, and their answers to what they were asked."""

from msgspec import UNSET

from portero.errors import INVALID_REQUEST, UNSUPPORTED_VERSION, RpcError
from portero.gateway import wire
from portero.gateway.admission import Inbound
from portero.gateway.backchannel import Questions
from portero.gateway.cancelling import Cancellations
from portero.gateway.eras import SUPPORTED_VERSIONS, unsupported_version_data


class Incoming:
    def __init__(self, questions: Questions, cancellations: Cancellations) -> None:
        self._questions, self._cancellations = questions, cancellations
        self.flights = cancellations.flights

    async def take(self, inbound: Inbound, message: wire.Message) -> None:
        """Raises RpcError when the era does not take it."""
        if message.method is UNSET:
            answers = message.id is not UNSET and (message.result is not UNSET or message.error is not UNSET)
            if inbound.modern or not answers:
                raise wire.BadMessage(INVALID_REQUEST, "The body must be one JSON-RPC request or notification.")
            self._questions.answered(inbound.client, message)
        elif inbound.modern:
            requested = inbound.headers[b"mcp-protocol-version"].decode("latin-1")
            if requested not in SUPPORTED_VERSIONS:
                data = unsupported_version_data(requested)
                raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version.", data)
        elif message.method == "notifications/cancelled":
            await self._cancellations.cancel(inbound, message)
