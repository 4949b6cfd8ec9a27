"""Results that ask the client something before there is one: read here, and held against what the client declares.

An upstream is told what can be asked. One that asks something else all the same gets no answer, and its questions are
not passed on: a client would take them for questions that Portero has held against its own rules.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from handlers.calls.asking import LETTERS, capabilities_of, letters_of, needed_for
from portero.errors import INTERNAL_ERROR, MISSING_CAPABILITY, RpcError

ASKS: Final = "input_required"
MAKES_TASK: Final = "task"
_ASKS: Final = b'"input_required"'
_REQUESTS: Final = b'"inputRequests"'
_ESCAPED: Final = b"\\u00"
"""Any of the words may be written with escapes, which are then of characters below 256."""


class Question(Struct):
    """One of them: a method of the protocol's, and the JSON of its params."""

    method: str
    params: Raw = Raw(b"{}")


class _Head(Struct):
    resultType: str | None = None  # noqa: N815 - the protocol's name


class Questions(Struct):
    """All that a result asks."""

    resultType: str | None = None  # noqa: N815 - the protocol's names, here and below
    inputRequests: dict[str, Question] | None = None  # noqa: N815
    requestState: Raw | UnsetType = UNSET  # noqa: N815

    @property
    def asked(self) -> list[Question]:
        return list((self.inputRequests or {}).values())

    @property
    def goes_on(self) -> bool:
        """Whether the call is to be made again with the answers; otherwise it has become a task, which takes them."""
        return self.resultType == ASKS


_head = msgspec.json.Decoder(_Head)
_questions = msgspec.json.Decoder(Questions)
_asked = msgspec.json.Decoder(dict[str, Question])


def asks(result: bytes) -> bool:
    """Whether the upstream asks for more before there is a result, as the newer era does; also where none can tell."""
    try:
        return _type(result) == ASKS
    except RpcError:
        return True


def makes_task(result: bytes) -> bool:
    """Whether the upstream goes on with the call as a task of its own."""
    if b'"task"' not in result and _ESCAPED not in result:
        return False
    try:
        return _head.decode(result).resultType == MAKES_TASK
    except (ValueError, RecursionError):
        return False


def read(result: bytes) -> Questions | None:
    """What a result asks; None where it is one that asks nothing. Raises RpcError when that cannot be read.

    Costs 0.2 µs where none of the words stands in it.
    """
    if _type(result) not in {ASKS, MAKES_TASK}:
        return None
    try:
        return _questions.decode(result)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error


def check_declared(upstream: str, capabilities: bytes | None, asked: Iterable[Question]) -> None:
    """Raises RpcError when one of the questions is not for a client that declares these capabilities, as JSON.

    The error names what is asked, which is the upstream's text, and what the client would have to declare.
    """
    letters = letters_of(capabilities)
    needed = [(question.method, needed_for(question.method, bytes(question.params))) for question in asked]
    refused = [(method, letter) for method, letter in needed if letter is None or letter not in letters]
    if not refused:
        return
    what = ", ".join(dict.fromkeys(LETTERS.get(letter or "", method) for method, letter in refused))
    text = f"{upstream} asks the client something that it cannot be asked: {what}."
    if any(letter is None for _, letter in refused):
        raise RpcError(INTERNAL_ERROR, f"{text} The protocol has no such question.")
    required: Any = msgspec.json.decode(capabilities_of("".join(letter or "" for _, letter in refused)) or b"{}")
    raise RpcError(MISSING_CAPABILITY, f"{text} It has not declared that.", {"requiredCapabilities": required})


def of_task(members: Mapping[str, Raw]) -> list[Question]:
    """What a task asks, by its members, and what the result in it does. Raises RpcError when that cannot be read."""
    inner = read(bytes(members["result"])) if "result" in members else None
    raw = members.get("inputRequests")
    try:
        asked = _asked.decode(raw) if raw is not None and bytes(raw) != b"null" else {}
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error
    return [*asked.values(), *(inner.asked if inner is not None else ())]


def _type(result: bytes) -> str | None:
    """Raises RpcError: who cannot read a result does not know that it asks nothing."""
    if _ASKS not in result and _REQUESTS not in result and _ESCAPED not in result:
        return None
    try:
        return _head.decode(result).resultType
    except msgspec.ValidationError:  # it is something else than a text
        return None
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> RpcError:
    return RpcError(INTERNAL_ERROR, f"The upstream's questions cannot be read: {error}.")
