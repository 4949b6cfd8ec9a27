"""What a connection asks of the pipe or the HTTP client that carries its messages."""

from typing import Protocol

from portero.errors import UpstreamUnavailable
from portero.upstream.wire.calls import Call


class TurnedAway(UpstreamUnavailable):
    """The server refused a message without looking into it (an HTTP status below 500), so nothing was done."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Transport(Protocol):
    """Carries messages. Everything it receives goes to ``Peer.received``, its end to ``Peer.lost``."""

    def send(self, call: Call, message: bytes) -> None:
        """Begin to send a request. Sets ``call.sent`` as soon as a byte of it may have left."""

    def post(self, message: bytes) -> None:
        """Send a notification or an answer."""

    def cancel(self, call: Call, reason: str) -> None:
        """Tell the server that nobody waits for this call any more, in the way its era asks for."""

    def speak(self, protocol: str | None, modern: bool) -> None:
        """From the next message on, this is the protocol version; None while it is being negotiated."""
