"""Patterns over policy names: ``server/tool``, split at the first slash, with ``*`` for any run inside a part.

Names of resources hold an address, which has many spellings: see ``readings``.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import attrs

from portero.domain.addresses import READINGS
from portero.domain.normalize import normalize
from portero.domain.values import Kind
from portero.errors import Invalid

MAX_PATTERN: Final = 1_000
"""Characters. Longer ones are a mistake, and matching them is work."""

_HINT: Final = "Write SERVER/TOOL, such as github/create_issue, github/* for all of that server, or * for everything."

_ADDRESS: Final = f"{Kind.RESOURCE.value}:"

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


def readings(name: str) -> list[tuple[int, str]]:
    """What else a policy name may mean to who serves it: the number of each reading, and the name that it makes.

    Names that hold no address have none. For tools that costs 0.2 µs.
    """
    server, _, rest = name.partition("/")
    if not rest.startswith(_ADDRESS):
        return []
    uri = rest[len(_ADDRESS) :]
    found: dict[object, tuple[int, str]] = {}
    for number, reading in enumerate(READINGS):
        text = reading.whole(uri)
        found.setdefault((text, reading.inside), (number, f"{server}/{_ADDRESS}{text}"))
    return list(found.values())


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
        if f"/{_ADDRESS}" not in text:
            text = normalize("NFC", text)  # as names of tools and prompts are; addresses are what they are
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

    def means(self, name: str, reading: int | None) -> list[int]:
        """The specificities of its forms that match one of ``readings``; empty: it does not.

        Its forms are itself and what it is when it is read in the same way; ``reading`` None: in any way.
        """
        server, _, tool = name.partition("/")
        if not _matches(self._server, server):
            return []
        forms = _forms(self.text, self.is_literal, reading)
        return [self.specificity + more for pieces, more in forms if _matches(pieces, tool)]

    def __str__(self) -> str:
        return self.text


@lru_cache(4096)
def _forms(text: str, literal: bool, reading: int | None) -> list[tuple[tuple[str, ...], int]]:
    """The part behind the server in all its forms, cut at its stars, and how many characters each has more."""
    part = text.partition("/")[2] or text
    forms = [part]
    for whole, inside in READINGS if reading is None else (READINGS[reading],):
        if part.startswith(_ADDRESS):
            forms.append(_ADDRESS + whole(part[len(_ADDRESS) :]))
        if not literal:
            forms.append(inside(part))
    cut = [(form,) if literal else tuple(form.split("*")) for form in dict.fromkeys(forms)]
    return [(pieces, sum(map(len, pieces)) - sum(map(len, cut[0]))) for pieces in cut]


def check_fakes(text: str, stored: Callable[[str], str]) -> None:
    """Raises Invalid for a pattern that says a real value: names are known with its fake, and patterns are kept.

    ``stored``: see ``Replacer.stored_text``.
    """
    known = stored(text)
    if known != text:
        raise Invalid(f"The pattern holds a real value, and names are known with its fake. Write {known!r}.")


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
