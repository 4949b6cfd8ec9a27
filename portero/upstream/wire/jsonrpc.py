"""JSON-RPC messages as bytes: what nothing here reads stays undecoded."""

import functools
import re
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

_LONE_SURROGATE: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PAIR: Final = 12


class NotAMessage(ValueError):
    """The bytes are no JSON-RPC message."""


class Envelope(msgspec.Struct, gc=False):
    """Any JSON-RPC message. A member that is absent is an empty ``Raw``."""

    id: int | str | UnsetType | None = UNSET
    method: str | None = None
    params: Raw = Raw()
    result: Raw = Raw()
    error: Raw = Raw()


class ErrorBody(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Raw = Raw()


_one = msgspec.json.Decoder(Envelope)
_many = msgspec.json.Decoder(list[Envelope])
_error = msgspec.json.Decoder(ErrorBody)


def decode(data: bytes) -> list[Envelope]:
    """The messages of one line or body (more than one only in a batch of the 2025-03-26 protocol)."""
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            # A result with a replacement character is worth more than a call whose outcome is lost.
            data = data.decode(errors="replace").encode()
    try:
        return [_one.decode(data)]
    except (msgspec.DecodeError, RecursionError) as error:
        return _decode_odd(data, error)


def _decode_odd(data: bytes, error: Exception) -> list[Envelope]:
    """Batches, and messages whose only defect is half of a surrogate pair (a JavaScript string cut inside an emoji)."""
    try:
        if b"\\ud" in data or b"\\uD" in data:
            data = _LONE_SURROGATE.sub(_repaired, data)
        if data.lstrip()[:1] == b"[":
            return _many.decode(data)
        return [_one.decode(data)]
    except (msgspec.DecodeError, RecursionError):
        raise NotAMessage(str(error)) from error


def _repaired(match: re.Match[bytes]) -> bytes:
    escape = match[2]
    return match[0] if len(escape) == _PAIR else match[1] + b"\\ufffd"


def decode_error(raw: bytes) -> tuple[int, str, bytes | None]:
    """``(code, message, data)`` of an error object; one that cannot be read is said to be an internal error."""
    try:
        body = _error.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return -32603, "the server answered with an error that is no JSON-RPC error object", None
    return body.code, body.message, bytes(body.data) or None


def error_of(message: Envelope) -> tuple[int, str, bytes | None] | None:
    """The error that an answer is, else None (some servers say ``"error": null`` beside a result)."""
    raw = bytes(message.error)
    return decode_error(raw) if raw not in (b"", b"null") else None


def error_in(body: bytes) -> tuple[int, str, bytes | None] | None:
    """The error object of a body that is a JSON-RPC error (whatever its id), else None."""
    try:
        return error_of(_one.decode(body))
    except (ValueError, RecursionError):  # bytes that are no text are a ValueError of another kind
        return None


@functools.lru_cache(256)
def _text(value: str) -> bytes:
    return msgspec.json.encode(value)


def request(identity: int, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (identity, _text(method), params)


def notification(method: str, params: bytes | None) -> bytes:
    if params is None:
        return b'{"jsonrpc":"2.0","method":%b}' % _text(method)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (_text(method), params)


def result(identity: int | str, body: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (msgspec.json.encode(identity), body)


def error(identity: int | str, code: int, message: str, data: bytes | None = None) -> bytes:
    body = {"code": code, "message": message} | ({} if data is None else {"data": Raw(data)})
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (msgspec.json.encode(identity), msgspec.json.encode(body))


def one_line(data: bytes) -> bytes:
    """The same JSON without line breaks between its tokens: one line of a pipe, and one of an event stream."""
    if b"\n" in data or b"\r" in data:
        return msgspec.json.format(data, indent=-1)
    return data


def cancelled(identity: int, reason: str) -> bytes:
    params = msgspec.json.encode({"requestId": identity, "reason": reason})
    return notification("notifications/cancelled", params)
