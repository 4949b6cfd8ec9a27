"""The arguments of a call as leaves: every value, number and key exactly as it stands in the JSON text."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

Path = tuple[str | int, ...]

DEEPEST: Final = 60
"""Nesting that a person can still read; what is deeper is shown as the JSON text it is."""

REQUEST: Final = -1
"""The first step of paths to what is not an argument, but a member of the request beside the arguments."""

_SCALAR: Final = re.compile(r"-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity|\{\}|\[\]|")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@attrs.frozen
class Raw:
    """A JSON value that is no string, in its own spelling: a number, true, false, null, ``{}`` or ``[]``."""

    text: str


@attrs.frozen
class Leaf:
    """One value. ``index`` tells leaves apart whose paths are equal, which a repeated key makes possible."""

    index: int
    path: Path
    value: str | Raw
    repeated: bool = False
    """Its key, or that of an object around it, stands more than once in its object."""

    @property
    def text(self) -> str:
        return self.value.text if isinstance(self.value, Raw) else self.value


@attrs.frozen
class _Object:
    pairs: tuple[tuple[str, Any], ...]


@attrs.frozen
class Arguments:
    """``whole`` is False when the text could not be taken apart; then it is the only leaf."""

    leaves: tuple[Leaf, ...]
    whole: bool = True
    _by_path: dict[Path, Leaf] = attrs.field(init=False, eq=False, repr=False)

    @_by_path.default
    def _index(self) -> dict[Path, Leaf]:
        return {leaf.path: leaf for leaf in self.leaves if not leaf.repeated}

    def at(self, *path: str | int) -> Leaf | None:
        """The one value at a path; None where there is none, or more than one because a key is repeated."""
        return self._by_path.get(path)

    def text(self, *path: str | int) -> str | None:
        """The string at a path."""
        leaf = self.at(*path)
        return leaf.value if leaf is not None and isinstance(leaf.value, str) else None

    def number(self, *path: str | int) -> int | None:
        """The whole number at a path, however it is spelt: as a number or as a string of digits."""
        leaf = self.at(*path)
        return int(leaf.text) if leaf is not None and re.fullmatch(r"-?\d{1,18}", leaf.text) else None

    def under(self, *path: str | int) -> list[Leaf]:
        """Every value at or below a path, in order."""
        return [leaf for leaf in self.leaves if leaf.path[: len(path)] == path]

    def where(self, test: Callable[[Path], bool]) -> list[Leaf]:
        return [leaf for leaf in self.leaves if test(leaf.path)]


def parse(text: str, extra: str | None = None) -> Arguments:
    """The leaves of a JSON text; with ``extra``, those of the request's other members too, under ``REQUEST``."""
    try:
        found = list(_leaves(_decode(text), ())) if text else []
        if extra:
            found += list(_leaves(_decode(extra), (REQUEST,)))
    except (ValueError, RecursionError):
        parts = [part for part in (text, extra) if part]
        return Arguments(tuple(Leaf(i, (), part) for i, part in enumerate(parts)), whole=False)
    if found and found[0].path == () and isinstance(found[0].value, Raw) and found[0].value.text == "{}":
        del found[0]  # no arguments at all is not an argument
    return Arguments(tuple(attrs.evolve(leaf, index=index) for index, leaf in enumerate(found)))


def _decode(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=lambda pairs: _Object(tuple(pairs)), parse_float=Raw, parse_int=Raw, parse_constant=Raw
    )


def _leaves(node: Any, path: Path, *, repeated: bool = False) -> Iterator[Leaf]:
    if len(path) > DEEPEST:
        raise RecursionError(f"nested deeper than {DEEPEST}")
    if isinstance(node, _Object):
        if not node.pairs:
            yield Leaf(0, path, Raw("{}"), repeated)
        times = Counter(key for key, _ in node.pairs)
        for key, value in node.pairs:
            yield from _leaves(value, (*path, key), repeated=repeated or times[key] > 1)
    elif isinstance(node, list):
        if not node:
            yield Leaf(0, path, Raw("[]"), repeated)
        for position, value in enumerate(node):
            yield from _leaves(value, (*path, position), repeated=repeated)
    elif isinstance(node, str | Raw):
        yield Leaf(0, path, node, repeated)
    else:
        yield Leaf(0, path, Raw(json.dumps(node)), repeated)


def label(path: Path, show: Callable[[str], str]) -> str:
    """A path as people write it, ``files[0].path``; keys that are no plain names are quoted. ``show`` is for keys."""
    shown = ""
    for step in path:
        if step == REQUEST:
            shown += "(request)"
        elif isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            shown += ("." if shown else "") + show(step)
        else:
            shown += f'["{show(json.dumps(step, ensure_ascii=False)[1:-1])}"]'
    return shown or "(all)"


def ambiguous(text: str) -> bool:
    """Whether a string would pass for another JSON value, or for nothing, without quotes around it."""
    return _SCALAR.fullmatch(text) is not None or (text.startswith('"') and text.endswith('"'))
