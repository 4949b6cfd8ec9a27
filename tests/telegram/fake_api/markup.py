"""Telegram's HTML: parsed as the real server parses it, and refused with its words."""

import re
from typing import Any

from tests.telegram.fake_api.errors import bad_request

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
}
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}
MOST_ENTITIES = 100
_TAG = re.compile(r"<(/?)([a-zA-Z-]*)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*>")


def units(text: str) -> int:
    """Length in UTF-16 code units, as every limit of the Bot API counts."""
    return len(text.encode("utf-16-le")) // 2


def parse_html(text: str) -> tuple[str, list[dict[str, Any]]]:
    """``(plain text, entities)``. Refuses what the real server refuses, and code inside of other formatting as well."""
    plain, entities, open_tags, at = "", [], [], 0
    while at < len(text):
        character = text[at]
        if character == "&":
            known = next((name for name in ENTITIES if text.startswith(name, at)), None)
            plain += ENTITIES[known] if known else "&"
            at += len(known) if known else 1
        elif character != "<":
            plain += character
            at += 1
        else:
            tag = _TAG.match(text, at)
            if tag is None:
                raise bad_request(f"can't parse entities: Unclosed start tag at byte offset {_byte(text, at)}")
            closing, name = bool(tag[1]), tag[2].lower()
            if closing:
                if not open_tags:
                    raise bad_request(f"can't parse entities: Unexpected end tag at byte offset {_byte(text, at)}")
                opened, start, attributes = open_tags.pop()
                if name not in ("", opened):
                    words = f'expected "</{opened}>", found "</{name}>"'
                    raise bad_request(
                        f"can't parse entities: Unmatched end tag at byte offset {_byte(text, at)}, {words}"
                    )
                _close(entities, opened, attributes, start, units(plain), nested=bool(open_tags))
            else:
                if name not in TAGS:
                    words = f'Unsupported start tag "{name}" at byte offset {_byte(text, at)}'
                    raise bad_request(f"can't parse entities: {words}")
                open_tags.append((name, units(plain), tag[3].strip()))
            at = tag.end()
    if open_tags:
        raise bad_request(f"can't parse entities: Can't find end tag corresponding to start tag \"{open_tags[-1][0]}\"")
    return _trimmed(plain, entities)


def _byte(text: str, at: int) -> int:
    return len(text[:at].encode())


def _close(entities: list[dict[str, Any]], name: str, attributes: str, start: int, end: int, *, nested: bool) -> None:
    if end == start:
        return
    entity = {"type": TAGS[name], "offset": start, "length": end - start}
    inner = [other for other in entities if other["offset"] >= start]
    if name == "pre" and len(inner) == 1 and inner[0].get("language"):
        entity["language"] = inner[0]["language"]
        entities.remove(inner[0])
    elif name in ("pre", "code") and inner:
        raise bad_request("strict: code and pre must not contain other entities")
    if name == "code" and (language := re.fullmatch(r'class="language-(\w+)"', attributes)):
        entity["language"] = language[1]
    elif name == "code" and nested:
        raise bad_request("strict: code must not stand inside of other entities")
    entities.append(entity)


def _trimmed(plain: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """White space at both ends is dropped, and so is every entity beyond the hundredth."""
    front = len(plain) - len(plain.lstrip())
    text = plain.strip()
    size = units(text)
    kept = []
    for entity in entities:
        start = max(0, entity["offset"] - front)
        length = min(entity["offset"] + entity["length"] - front, size) - start
        if length > 0:
            kept.append({**entity, "offset": start, "length": length})
    kept.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return text, kept[:MOST_ENTITIES]


def covered(text: str, entities: list[dict[str, Any]], types: set[str]) -> list[bool]:
    """For each UTF-16 unit of the text whether an entity of one of the types is over it."""
    over = [False] * units(text)
    for entity in entities:
        if entity["type"] in types:
            for unit in range(entity["offset"], entity["offset"] + entity["length"]):
                over[unit] = True
    return over
