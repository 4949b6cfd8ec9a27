"""Keys of one object that replacement makes equal: nothing may be lost, and no reader may choose which one it sees."""

from collections import defaultdict
from itertools import count

from portero.domain.replacement.pieces import Pieces
from portero.domain.replacement.swap import Swap
from portero.errors import Invalid


def settle(pieces: Pieces, strings: dict[int, str], swap: Swap) -> None:
    """Renames keys in ``strings`` (piece number -> new text) that were different before and are equal now.

    Raises Invalid where renaming is not wanted. Keys that were already equal are left so: they came like that.
    """
    for keys in _objects(pieces, strings):
        old = {key: pieces.value(key) for key in keys}
        meanings: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            meanings[strings.get(key, old[key])].add(old[key])
        taken = set(meanings)
        for name, originals in meanings.items():
            if len(originals) < 2:
                continue
            if not swap.renames:
                # Whichever side is the fake one is shown.
                shown = repr(name) if swap.clean else " and ".join(map(repr, sorted(originals)))
                raise Invalid(f"Two keys of one object stand for the same name: {shown}. Send one of them.")
            # The one that is spelt like that keeps its name; the others get numbers, in the order they came in.
            spare = sorted(originals - {name}, key=[old[key] for key in keys].index)
            for original in spare if name in originals else spare[1:]:
                fresh = next(
                    text for n in count(2) if (text := f"{name} ({n})") not in taken and not swap.matches(text)
                )
                taken.add(fresh)
                strings.update((key, fresh) for key in keys if old[key] == original)


def _objects(pieces: Pieces, strings: dict[int, str]) -> list[list[int]]:
    """The keys of every object that has one in ``strings``, as piece numbers."""
    done: list[list[int]] = []
    open_: list[list[int]] = []
    for number, piece in enumerate(pieces.masked):
        if number % 2:
            if pieces.is_key(number) and open_:
                open_[-1].append(number)
            continue
        for char in piece:
            if char in b"{[":
                open_.append([])
            elif char in b"}]" and open_:
                done.append(open_.pop())
    return [keys for keys in done + open_ if any(key in strings for key in keys)]
