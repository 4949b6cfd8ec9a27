"""What the Bot API answers when it refuses, and what a test may make it answer."""

from typing import Any

import attrs


@attrs.frozen
class ApiError(Exception):
    status: int
    description: str
    parameters: dict[str, Any] = attrs.field(factory=dict)


def bad_request(words: str) -> ApiError:
    return ApiError(400, f"Bad Request: {words}")


def too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


def forbidden(words: str = "bot was blocked by the user") -> ApiError:
    return ApiError(403, f"Forbidden: {words}")


def conflict(
    words: str = "terminated by other getUpdates request; make sure that only one bot instance is running",
) -> ApiError:
    return ApiError(409, f"Conflict: {words}")


@attrs.frozen
class Hang:
    """The request is taken and no answer comes for ``seconds``; ``done``: what was asked is done all the same."""

    seconds: float = 3600.0
    done: bool = False


@attrs.frozen
class Cut:
    """The connection is closed without an answer; ``done``: what was asked is done all the same."""

    done: bool = False


@attrs.frozen
class Garbage:
    """Something between us and Telegram answers, with a page that is no JSON."""

    status: int = 502


Fault = ApiError | Hang | Cut | Garbage
