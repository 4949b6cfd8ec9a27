"""What a status or an exception on the way to a remote server means for the call: not done, refused, or not known."""

from typing import Final

import httpx2
import structlog

from portero.errors import OutcomeLost, UpstreamError, UpstreamUnavailable
from portero.upstream.wire.event_streams import TooLong
from portero.upstream.wire.transport import TurnedAway

log = structlog.get_logger("portero.upstream")

_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)


def of_exception(name: str, error: Exception, limit: int) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, _NOT_SENT):
        return UpstreamUnavailable(f"{name} cannot be reached ({said(error)}); nothing was sent.")
    if isinstance(error, TooLong):
        return OutcomeLost(f"{name} answered with {error}, more than the {limit} bytes that are taken.")
    if not isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        log.error("a response could not be handled", upstream=name, exc_info=error)
    return OutcomeLost(f"{name}: the connection broke ({said(error)}); the call had been sent.")


def of_status(name: str, status: int, *, session_ended: bool) -> UpstreamError:
    """Of a status from 300 whose body is no JSON-RPC error. From 500 on, something may have been done."""
    if status >= 500:
        return OutcomeLost(f"{name} answers HTTP {status}; the call had been sent.")
    if session_ended:
        return TurnedAway(status, f"{name}: its session has ended; nothing was done.")
    if status in (401, 403):
        return TurnedAway(status, f"{name} answers HTTP {status}: check 'headers' of its entry in mcps.json.")
    if status < 400:
        return TurnedAway(status, f"{name} answers HTTP {status}, a redirect: put the final address into 'url'.")
    return TurnedAway(status, f"{name} answers HTTP {status}; nothing was done.")


def moved_to(response: httpx2.Response) -> str | None:
    """Where to send the same message again: only within the same origin, and only where the method stays the same."""
    there = response.next_request
    if there is None or response.status_code not in (307, 308):
        return None
    here = response.request.url
    same = (there.url.scheme, there.url.host, there.url.port) == (here.scheme, here.host, here.port)
    return str(there.url) if same else None


def said(error: Exception) -> str:
    return str(error) or type(error).__name__
