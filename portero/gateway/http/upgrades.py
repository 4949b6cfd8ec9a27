"""Offers to speak another protocol, such as HTTP/2: passed over, as HTTP lets servers do.

httptools takes whatever comes after the head of such a request for the other protocol's, the body too. Java's HTTP
client makes the offer with every first request, and would be told that its message is empty.
"""

from typing import Any

from httptools import HttpRequestParser


def reader_of_the_rest(protocol: Any) -> HttpRequestParser:
    """A parser for what comes after the head that ``protocol`` has just read: its body, and the requests behind it."""
    framing = [
        name + b": " + value
        for name, value in protocol.scope["headers"]
        if name in (b"content-length", b"transfer-encoding")
    ]
    parser = HttpRequestParser(_AfterHead(protocol))
    parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"\r\n"]))
    return parser


class _AfterHead:
    """Passes everything on but for the first head, which has been read."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._is_read = False

    def __getattr__(self, name: str) -> Any:
        """httptools looks its callbacks up once; each is the protocol's own, once the first head is over."""
        callback = getattr(self._protocol, name)
        if name in ("on_message_begin", "on_url", "on_header"):
            return lambda *told: callback(*told) if self._is_read else None
        return callback

    def on_headers_complete(self) -> None:
        if self._is_read:
            self._protocol.on_headers_complete()
        self._is_read = True
