"""Arguments that two readers would read differently are not shown to a person for approval."""

import json
from typing import Any

from portero.errors import Invalid


def refuse_repeats(arguments: bytes) -> None:
    """Raises Invalid when an object in the arguments, JSON or nothing, has a member twice.

    Readers of JSON differ in which of the two they take: a person could approve one and the upstream run the other.
    """
    try:
        if arguments:
            json.loads(arguments, object_pairs_hook=_once)
    except _RepeatedError as error:
        text = f"The arguments have the member {error.args[0][:100]!r} twice in one object: which one is meant?"
        raise Invalid(text) from None
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The arguments cannot be read: {error}.") from None


class _RepeatedError(Exception):
    """Its argument is the name that comes twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedError(next(name for name in names if names.count(name) > 1))
    return members
