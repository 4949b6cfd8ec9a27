"""Patterns over policy names: ``server/tool``, split at the first slash, with ``*`` for any run inside a part."""

from functools import lru_cache
from typing import Final

import attrs

from portero.domain.values import Kind
from portero.errors import Invalid

MAX_PATTERN: Final = 1_000
"""Characters. Longer ones are a mistake, and matching them is work."""

_HINT: Final = "Write SERVER/TOOL, such as github/create_issue, github/* for all of that server, or * for everything."

_NAMED_IN_FULL: Final = frozenset({Kind.TOOL, Kind.COMPLETION, Kind.TASK_UPDATE, Kind.TASK_CANCEL})


def policy_name(kind: Kind, upstream: str, name: str) -> str:
    """The name that policies know: ``server/tool``, ``server/resource:uri``, ``server/prompt:name``.

    Completing an argument tells something of what it is for, so it has no name of its own: see ``completion_name``. Nor
    has what is said to an upstream's own task: it is named after the tool that made it.
    """
    return f"{upstream}/{name}" if kind in _NAMED_IN_FULL else f"{upstream}/{kind.value}:{name}"


def completion_name(kind: Kind, name: str) -> str:
    """The ``name`` of a call of the kind ``completion``, for a prompt or a resource."""
    return f"{kind.value}:{name}"


def holds_uri(kind: Kind, name: str) -> bool:
    """Whether the ``name`` of a call is, or ends with, a resource's URI."""
    return kind is Kind.RESOURCE or (kind is Kind.COMPLETION and name.startswith(completion_name(Kind.RESOURCE, "")))


@attrs.frozen
class Pattern:
    """One pattern. ``is_literal``: it is a single name, and a ``*`` in it is a character like any other."""

    text: str
    is_literal: bool
    specificity: int = attrs.field(eq=False)
    """How many characters of it are literal; the pattern with most of them wins."""
    _server: tuple[str, ...] = attrs.field(eq=False, repr=False)
    _tool: tuple[str, ...] = attrs.field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Raises Invalid, saying how to write it."""
        _check(text)
        if text == "*":
            return cls(text, False, 0, ("", ""), ("", ""))
        server, slash, tool = text.partition("/")
        if not (slash and server and tool):
            raise Invalid(f"{text!r} is not a pattern. {_HINT}")
        stars = text.count("*")
        return cls(text, stars == 0, len(text) - stars, tuple(server.split("*")), tuple(tool.split("*")))

    @classmethod
    def literal(cls, name: str) -> "Pattern":
        """The pattern that matches this one name and no other, whatever characters it has. Raises Invalid."""
        _check(name)
        server, slash, tool = name.partition("/")
        if not (slash and server and tool):
            raise Invalid(f"{name!r} is not the name of a tool: SERVER/TOOL.")
        return cls(name, True, len(name), (server,), (tool,))

    @staticmethod
    @lru_cache(4096)
    def of(text: str, *, literal: bool) -> "Pattern":
        """As a grant or rule holds it; kept, because policies ask for the same ones again and again."""
        return Pattern.literal(text) if literal else Pattern.parse(text)

    def matches(self, server: str, tool: str) -> bool:
        return _matches(self._server, server) and _matches(self._tool, tool)

    def matches_name(self, name: str) -> bool:
        """``name`` is a policy name, as ``policy_name`` makes it."""
        server, _, tool = name.partition("/")
        return self.matches(server, tool)

    def __str__(self) -> str:
        return self.text


def _check(text: str) -> None:
    if not text:
        raise Invalid(f"The pattern is empty. {_HINT}")
    if len(text) > MAX_PATTERN:
        raise Invalid(f"The pattern is longer than {MAX_PATTERN} characters.")
    if text != text.strip() or not text.isprintable():
        raise Invalid(f"{text!r} has blanks around it, or characters that do not print. {_HINT}")


def _matches(pieces: tuple[str, ...], text: str) -> bool:
    """``pieces`` are what stands between the stars. Leftmost search is enough: a run may always be longer."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return text == first
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for piece in pieces[1:-1]:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
