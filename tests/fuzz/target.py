"""What a target of the fuzzer is: a function that must not fail on any bytes, with examples of such bytes."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

E = TypeVar("E", bound=Exception)

CUT = b"\n--\n"
"""Between the parts of an example where a target takes more than one."""


@attrs.frozen
class Target:
    run: Callable[[bytes], None]
    examples: tuple[bytes, ...]


TARGETS: dict[str, Target] = {}


def target(*examples: str | bytes) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    def add(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        given = tuple(one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in examples)
        TARGETS[run.__name__] = Target(run, given)
        return run

    return add


def parts(data: bytes, count: int) -> list[bytes]:
    found = data.split(CUT, count - 1)
    return [*found, *[b""] * (count - len(found))]


def outcome(kind: type[E], function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, E | None]:
    """What the function returns, or the error of this kind that it raises; any other is a find."""
    try:
        return function(*arguments, **options), None
    except kind as error:
        return None, error


class Unreadable(Exception):
    """The standard library does not read it as JSON."""


def reads(data: bytes) -> Any:
    """As the standard library reads it, with numbers and doubled members kept as they are written."""
    try:
        return json.loads(
            data.decode("utf-8", "surrogatepass"),
            parse_int=lambda text: ("number", text),
            parse_float=lambda text: ("number", text),
            parse_constant=lambda text: ("constant", text),
            object_pairs_hook=lambda pairs: ("object", pairs),
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
