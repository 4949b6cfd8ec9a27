"""The shape of configuration files: which keys and types are right, said with the place and the nearest known key."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

_WORDS: Final = {str: "a text", bool: "true or false", list: "a list", dict: "an object", float: "a number"}


class Shape:
    """Checks the values of one file; ``problems`` gets a sentence for each that is wrong."""

    def __init__(self, file: str, problems: list[str]) -> None:
        self.file = file
        self.problems = problems

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{self.file}{': ' + where if where else ''}: {what}")

    def table(self, value: Any, where: str, known: Iterable[str]) -> dict[str, Any]:
        """An object with no other keys than ``known``; an empty one when it is none."""
        if not isinstance(value, dict):
            self.wrong(where, f"must be an object, not {self.kind(value)}.")
            return {}
        keys = list(known)
        for key in value:
            if key not in keys:
                near = nearest(key, keys)
                hint = f"Is {near!r} meant?" if near else f"The keys are {', '.join(keys)}."
                self.wrong(where, f"there is no key {key!r} here. {hint}")
        return value

    def get(self, table: dict[str, Any], key: str, kind: type, where: str) -> Any:
        """The value of a key if it is of that type, else None. null counts as absent. ``float`` takes any number."""
        value = table.get(key)
        if value is None:
            return None
        fits = isinstance(value, kind) if kind is not float else isinstance(value, int | float)
        if not fits or (isinstance(value, bool) and kind is not bool):
            self.wrong(where, f"{key} must be {_WORDS[kind]}, not {self.kind(value)}.")
            return None
        return value

    def texts(self, table: dict[str, Any], key: str, where: str) -> tuple[str, ...] | None:
        """A list of texts, or None when absent."""
        items = self.get(table, key, list, where)
        if items is None:
            return None
        for number, item in enumerate(items, 1):
            if not isinstance(item, str):
                self.wrong(where, f"item {number} of {key} must be a text, not {self.kind(item)}.")
        return tuple(item for item in items if isinstance(item, str))

    def text_table(self, table: dict[str, Any], key: str, where: str) -> dict[str, str]:
        """An object of texts; empty when absent."""
        items = self.get(table, key, dict, where) or {}
        for name, item in items.items():
            if not isinstance(item, str):
                self.wrong(where, f"{name} in {key} must be a text (put it in quotes), not {self.kind(item)}.")
        return {name: item for name, item in items.items() if isinstance(item, str)}

    @staticmethod
    def kind(value: Any) -> str:
        if value is None:
            return "null"
        return next((words for kind, words in _WORDS.items() if isinstance(value, kind)), "a number")


def nearest(text: str, known: Iterable[str]) -> str | None:
    """The known text that a slip was probably meant to be, whatever its case and underscores."""
    plain = {word.replace("_", "").replace("-", "").lower(): word for word in known}
    found = difflib.get_close_matches(text.replace("_", "").replace("-", "").lower(), plain, 1, 0.6)
    return plain[found[0]] if found else None
