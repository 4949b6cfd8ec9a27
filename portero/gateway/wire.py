"""JSON-RPC envelopes as bytes: decoded as far as the gateway must read them, and not further."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from portero.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcError

NULL: Final = b"null"


class Message(msgspec.Struct, gc=False):
    """A request, a notification or a response. ``id`` and ``params`` stay as they came."""

    jsonrpc: str = ""
    id: Raw | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _OnlyId(msgspec.Struct):
    id: Raw | UnsetType = UNSET


class _Cancelled(msgspec.Struct):
    requestId: Raw | UnsetType = UNSET  # noqa: N815 - the protocol's name


_cancelled = msgspec.json.Decoder(_Cancelled)
_any = msgspec.json.Decoder()
_message = msgspec.json.Decoder(Message)
_only_id = msgspec.json.Decoder(_OnlyId)
_batch = msgspec.json.Decoder(list[Raw])
encode: Final = msgspec.json.Encoder().encode


class BadMessage(RpcError):
    """What came is no JSON-RPC message. ``id`` is the one it carries, where that could be read."""

    def __init__(self, code: int, message: str, request_id: bytes = NULL) -> None:
        super().__init__(code, message)
        self.id = request_id


def decode_value(raw: Raw, what: str) -> Any:
    """Any JSON value. Raises RpcError when it is nested too deeply; ``what`` is its name for the client."""
    try:
        return _any.decode(raw)
    except (ValueError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"{what!r} cannot be read: {error}.") from None


def check_text(body: bytes) -> None:
    """msgspec passes over strings that it need not decode, so invalid UTF-8 is looked for here. Raises BadMessage."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise BadMessage(PARSE_ERROR, f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None


def decode(body: bytes | Raw) -> Message:
    """One message, its envelope checked. Raises BadMessage."""
    try:
        message = _message.decode(body)
    except msgspec.ValidationError as error:
        raise BadMessage(INVALID_REQUEST, f"Not a JSON-RPC message: {error}.", id_of(body)) from None
    except msgspec.DecodeError as error:
        half = " Perhaps a text in it was cut in the middle of a character." if b"\\u" in bytes(body) else ""
        raise BadMessage(PARSE_ERROR, f"{error}.{half}") from None
    except RecursionError:
        raise BadMessage(PARSE_ERROR, "The body is nested too deeply.") from None
    if message.jsonrpc != "2.0":
        raise BadMessage(INVALID_REQUEST, 'The member "jsonrpc" must be "2.0".', id_of(body))
    if message.id is not UNSET and not is_request_id(bytes(message.id)):
        raise BadMessage(INVALID_REQUEST, "The member id must be a string or an integer.")
    return message


def decode_batch(body: bytes) -> list[Raw]:
    """The messages of a batch, still encoded. Raises BadMessage."""
    try:
        batch = _batch.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadMessage(PARSE_ERROR, f"{error}.") from None
    if not batch:
        raise BadMessage(INVALID_REQUEST, "The batch is empty.")
    return batch


def is_request_id(raw: bytes) -> bool:
    """Whether the JSON text is a string or an integer."""
    return raw[:1] == b'"' or raw.removeprefix(b"-").isdigit()


def id_of(body: bytes | Raw) -> bytes:
    try:
        found = _only_id.decode(body).id
    except (msgspec.DecodeError, RecursionError):
        return NULL
    return bytes(found) if found is not UNSET and is_request_id(bytes(found)) else NULL


def cancelled_request(message: Message) -> bytes | None:
    """The JSON text of the request id that a ``notifications/cancelled`` names, None when it names none."""
    if message.params is UNSET:
        return None
    try:
        found = _cancelled.decode(message.params).requestId
    except (msgspec.DecodeError, RecursionError):
        return None
    return bytes(found) if found is not UNSET else None


def result(request_id: bytes, body: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (request_id, body)


def error(
    request_id: bytes, code: int, message: str, data: Any = None, mask: Callable[[bytes], bytes] = bytes
) -> bytes:
    body: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        body["data"] = data
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (request_id, mask(encode(body)))


def request(request_id: str, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (encode(request_id), encode(method), params)


def notification(method: str, params: Any) -> bytes:
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (encode(method), encode(params))
