"""What an upstream says or asks of its own accord, as values for whoever wants to answer it."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import structlog

log = structlog.get_logger("portero.upstream")


@attrs.frozen
class ServerRequest:
    """A request from an upstream, such as sampling or elicitation.

    ``contexts`` are those of the calls that it may belong to: one over HTTP, every call under way over stdio.
    """

    upstream: str
    method: str
    params: bytes
    contexts: tuple[Any, ...] = ()


@attrs.frozen
class Notification:
    """A notification from an upstream that nothing here has used up: ``contexts`` as for ``ServerRequest``."""

    upstream: str
    method: str
    params: bytes
    contexts: tuple[Any, ...] = ()


OnRequest = Callable[[ServerRequest], Awaitable[bytes]]
"""Answers with the JSON of a result; raises ``RpcError`` to refuse."""


def guarded(upstream: str, what: str, function: Callable[[Any], None], argument: Any) -> None:
    """Call somebody else's function: its failure must not end the connection that serves everybody."""
    try:
        function(argument)
    except Exception:
        log.exception("a listener failed", upstream=upstream, about=what)
