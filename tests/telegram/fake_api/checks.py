"""The limits of the Bot API on what a bot sends."""

import json
import re
from typing import Any

from tests.telegram.fake_api.errors import bad_request
from tests.telegram.fake_api.markup import parse_html, units

MESSAGE_UNITS = 4096
CAPTION_UNITS = 1024
FILE_BYTES = 50_000_000


def formatted(text: str | None, parse_mode: str | None, limit: int, *, empty: str) -> tuple[str, list[dict[str, Any]]]:
    if text is None:
        raise bad_request(empty)
    if parse_mode not in (None, "HTML"):
        raise bad_request("strict: only HTML is used here")
    plain, entities = parse_html(text) if parse_mode else (text.strip(), [])
    if not plain:
        raise bad_request(empty)
    if units(plain) > limit:
        raise bad_request("message is too long" if limit == MESSAGE_UNITS else "message caption is too long")
    hidden = sorted({f"U+{ord(c):04X}" for c in plain if ord(c) < 32 and c != "\n"})
    if hidden:
        raise bad_request(f"strict: control characters {hidden} would be dropped")
    return plain, entities


def keyboard(markup: str | None) -> list[list[dict[str, Any]]]:
    if markup is None:
        return []
    rows = json.loads(markup)["inline_keyboard"]
    for row in rows:
        if not 1 <= len(row) <= 8:
            raise bad_request("strict: a row has one to eight buttons")
        for button in row:
            if not button.get("text"):
                raise bad_request(
                    "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
                )
            if not 1 <= len(button.get("callback_data", "").encode()) <= 64:
                raise bad_request("BUTTON_DATA_INVALID")
    if sum(len(row) for row in rows) > 100:
        raise bad_request("reply markup is too long")
    return rows


def commands(text: str) -> list[dict[str, str]]:
    found = json.loads(text)
    if len(found) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in found:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return found
