"""Which URIs may come from a URI template (RFC 6570): the upstream itself checks the rest."""

import functools
import re
from typing import Final

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_MAY_BE_NOTHING: Final = frozenset("+#./;?&")
"""Operators whose expression is often left out: a path of no parts, a query without parameters."""


def fits(template: str, uri: str) -> bool:
    """Whether ``uri`` is the template with some text for each expression.

    Each literal is looked for once, from where the one before it ends. A regular expression would try all ways to
    divide a long URI among the expressions, which takes hours for one that a client makes up.
    """
    first, rest = _parts(template)
    if not rest:
        return uri == first
    last_gap, last = rest[-1]
    end = len(uri) - len(last)
    if not uri.startswith(first) or not uri.endswith(last):
        return False
    at = len(first)
    for gap, literal in rest[:-1]:
        found = uri.find(literal, at + gap, end)
        if found < 0:
            return False
        at = found + len(literal)
    return at + last_gap <= end


@functools.lru_cache(1024)
def _parts(template: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The first literal; then for each expression how many characters it stands for at least, and what follows it."""
    first, *rest = _EXPRESSION.split(template)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return first, tuple((0 if expression[:1] in _MAY_BE_NOTHING else 1, literal) for expression, literal in pairs)
