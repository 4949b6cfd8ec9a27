"""Events to JSON and back; older shapes are lifted to today's before they are read, unknown ones are passed over."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import cattrs
import msgspec
from cattrs.preconf.msgspec import make_converter

from portero.domain.events import EVENT_TYPES, Event, Meta
from portero.errors import LogDivergence

SCHEMA: Final = 3
"""The version of the vocabulary that this release writes. Raise it together with an upcaster.

Since 2 no result stands in an event; since 3 the versions of an aggregate only grow."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _by_reference(raw: dict[str, Any]) -> dict[str, Any]:
    """Until schema 2 a small result stood in the event itself, for good; of such a one only its digest is taken."""
    text = raw.pop("result", None)
    return raw if text is None else raw | {"result_digest": hashlib.sha256(text.encode()).hexdigest()}


UPCASTERS: Final[Mapping[str, Mapping[int, Upcaster]]] = {
    "ExecutionSucceeded": {1: _by_reference},
    "LateOutcomeRecorded": {1: _by_reference},
}
"""By event type, then by the schema version that the function lifts from, to the next one."""

_converter = make_converter(detailed_validation=False)
_encode = msgspec.json.Encoder().encode
_raw = msgspec.json.Decoder(dict[str, Any])
_today: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}
"""Straight from bytes to today's shapes: 0.7 µs an event, where the way over a dict and the converter takes 5."""
_names: dict[type, str] = {cls: name for name, cls in EVENT_TYPES.items()}
_meta: msgspec.json.Decoder[Meta] = msgspec.json.Decoder(Meta)
_UNREADABLE: Final = (
    msgspec.MsgspecError,
    cattrs.BaseValidationError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)


def encode(event: Event) -> tuple[str, bytes]:
    """``(type, JSON)`` of an event, as they stand in the fields ``t`` and ``d``. Raises KeyError for anything else."""
    return _names[type(event)], _encode(event)


def decode(
    name: str, schema: int, data: bytes, upcasters: Mapping[str, Mapping[int, Upcaster]] = UPCASTERS
) -> Event | None:
    """The event, lifted from the schema version it was written with; None when this release cannot know it.

    A newer release may have written a type, or a shape of a known type, that did not exist here yet: that is None too.
    Raises LogDivergence for an entry of our own or an older schema that cannot be read: the log was damaged.
    """
    decoder = _today.get(name)
    if decoder is None:
        return None
    lifts = [lift for version, lift in sorted(upcasters.get(name, {}).items()) if version >= schema]
    try:
        event: Event = _lifted(name, data, lifts) if lifts else decoder.decode(data)
    except _UNREADABLE as error:
        if schema > SCHEMA:
            return None
        raise LogDivergence(f"a {name} on the log cannot be read ({error}): the log was damaged") from error
    return event


def _lifted(name: str, data: bytes, lifts: list[Upcaster]) -> Event:
    raw = _raw.decode(data)
    for lift in lifts:
        raw = lift(raw)
    event: Event = _converter.structure(raw, EVENT_TYPES[name])
    return event


def at_rest(name: str, meta: bytes, data: bytes) -> bytes:
    """An event's JSON as an archive may keep it for good: without the result that an older release wrote into it."""
    if name not in UPCASTERS or b'"result":"' not in data or decode_meta(meta).schema > 1:
        return data
    return _encode(_by_reference(_raw.decode(data)))


def encode_meta(meta: Meta) -> bytes:
    """JSON for the field ``m``."""
    return _encode(meta)


def decode_meta(data: bytes) -> Meta:
    """Raises LogDivergence when it is not ours."""
    try:
        return _meta.decode(data)
    except msgspec.MsgspecError as error:
        raise LogDivergence(f"an entry on the log has no readable origin ({error}): the log was damaged") from error
