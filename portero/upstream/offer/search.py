"""Finding tools by words: names count more than descriptions, rare words more than common ones."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from portero.upstream.offer.offers import Tool

CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "filesystem": ("filesystem",),
    "google": ("google",),
    "gmail": ("gmail", "message", "label", "filter", "thread"),
    "calendar": ("calendar", "event", "freebusy"),
    "drive": ("drive", "file", "folder", "permission"),
    "email": ("mail", "message", "send_email", "gmail", "send_gmail"),
    "stripe": ("stripe", "payment", "invoice", "customer", "subscription", "refund"),
}
"""Keywords over name and description; any other word is its own keyword."""

LONGEST_QUERY: Final = 400
"""Characters that are looked at: every word is compared with every word of every tool."""

_WORD: Final = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_EMPTY: Final = frozenset(
    {
        *(
            "a",
            "an",
            "and",
            "are",
            "as",
            "at",
            "be",
            "by",
            "do",
            "for",
            "from",
            "how",
            "i",
            "in",
            "is",
            "it",
            "me",
            "my",
        ),
        *("of", "on", "or", "please", "the", "this", "to", "want", "with"),
    }
)
"""Words that say nothing of what is wanted."""
_SYNONYMS: Final = (
    {"find", "search", "query", "lookup"},
    {"get", "read", "fetch", "show", "retrieve", "view"},
    {"list", "show", "all"},
    {"create", "add", "new", "make", "insert"},
    {"delete", "remove", "trash", "erase"},
    {"update", "edit", "change", "modify", "patch", "set"},
    {"send", "post", "submit"},
    {"directory", "folder", "dir"},
    {"mail", "email", "message"},
    {"event", "meeting", "appointment"},
)
_NAME, _TITLE, _PARAMETER, _TEXT = 6.0, 3.0, 1.0, 1.5
_PREFIX_WORTH, _INSIDE_WORTH, _SYNONYM_WORTH = 0.6, 0.4, 0.35


def words(text: str) -> list[str]:
    """Lower case, split at case changes and punctuation, without the endings of plurals."""
    return [_stem(word.lower()) for word in _WORD.findall(text)]


def in_category(tool: Tool, category: str) -> bool:
    wanted = category.strip().lower()
    text = f"{tool.canonical}\n{tool.description}".lower()
    return any(keyword in text for keyword in CATEGORIES.get(wanted, (wanted,)))


class Index:
    """Over the tools of one catalogue; built on the first search."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._entries = [_Entry.of(tool) for tool in tools]
        self._spread = Counter(word for entry in self._entries for word in entry.weights)

    def search(self, query: str | None, category: str | None) -> list[Tool]:
        """The best first; all in catalogue order where nothing is asked for."""
        entries = [entry for entry in self._entries if not category or in_category(entry.tool, category)]
        asked = query.strip()[:LONGEST_QUERY] if query else ""
        if not asked:
            return [entry.tool for entry in entries]
        wanted = _meaningful(words(asked))
        phrase = asked.lower()
        scored = [(self._score(entry, wanted, phrase), entry.tool) for entry in entries]
        return [tool for score, tool in sorted(scored, key=lambda pair: -pair[0]) if score > 0]

    def _score(self, entry: "_Entry", wanted: Sequence[str], phrase: str) -> float:
        scores = [self._rarity(word) * entry.worth(word) for word in wanted]
        matched = sum(score > 0 for score in scores)
        # A tool that has all the words is what is meant, even if another has one of them more often.
        score = sum(scores) * (matched / len(wanted)) ** 2 if wanted else 0.0
        if phrase in (entry.name, entry.tool.canonical.lower(), entry.tool.safe.lower()):
            score += 1000
        elif phrase in entry.name:
            score += 10
        elif phrase in entry.text:
            score += 2
        return score

    def _rarity(self, word: str) -> float:
        return 1 + math.log((1 + len(self._entries)) / (1 + self._spread[word]))


@attrs.frozen
class _Entry:
    """A tool's words with what each is worth."""

    tool: Tool
    name: str
    text: str
    weights: Mapping[str, float]

    @classmethod
    def of(cls, tool: Tool) -> "_Entry":
        weights: dict[str, float] = {}
        for field, worth in (
            (" ".join(tool.parameters), _PARAMETER),
            (tool.description, _TEXT),
            (tool.title or "", _TITLE),
            (tool.server, _TITLE),
            (tool.name, _NAME),
        ):
            for word in set(words(field)) - _EMPTY:
                weights[word] = max(worth, weights.get(word, 0.0))
        text = f"{tool.title or ''}\n{tool.description}".lower()
        return cls(tool, tool.name.lower(), text, weights)

    def worth(self, word: str) -> float:
        exact = self.weights.get(word, 0.0)
        partial = max((worth * _likeness(word, own) for own, worth in self.weights.items()), default=0.0)
        meant = max((self.weights.get(other, 0.0) for other in _synonyms(word)), default=0.0)
        return max(exact, partial, meant * _SYNONYM_WORTH)


def _likeness(asked: str, own: str) -> float:
    """How well a part of a word stands for it; short parts are in everything."""
    if len(asked) < 3 or asked == own:
        return 0.0
    if own.startswith(asked):
        return _PREFIX_WORTH
    return _INSIDE_WORTH if len(asked) >= 4 and asked in own else 0.0


def _meaningful(asked: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(asked))
    return [word for word in found if word not in _EMPTY] or found


def _synonyms(word: str) -> set[str]:
    return {other for group in _SYNONYMS if word in group for other in group} - {word}


def _stem(word: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if len(word) > len(ending) + 1 and word.endswith(ending):
            return word.removesuffix(ending) + instead
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
