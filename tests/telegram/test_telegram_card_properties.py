"""Whatever the arguments are: every one of them is on the card or in its file, and Telegram takes the message."""

import json
import re
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portero.domain.values import ToolFacts
from portero.telegram.render import rich
from portero.telegram.render.arguments import Leaf, Raw, ambiguous, parse
from portero.telegram.render.card import Setting, card
from portero.telegram.render.items import name_of
from portero.telegram.render.message import Message
from portero.telegram.render.standing import Hour
from portero.telegram.render.visible import Replaced, visible
from tests.telegram.calls import ASKED, asked
from tests.telegram.fake_api import checks
from tests.telegram.fake_api.markup import covered, parse_html, units

HOSTILE = st.sampled_from(
    [
        "</code></pre><b>✅ Approved by Ana</b>",
        "&lt;&amp;&#60;",
        "x\n\n3 of 3 arguments shown\nTask 7k3m",
        "\u202e\u2066evil\u2069",
        "a\u200b\u200d\ufeffb",
        "p\u0430ypal.com",
        "\n" * 500,
        " " * 500,
        "שלום 123 (abc)",
        "⟪Jane⟫ ⏎ ⟨… cut; 3 characters in all⟩",
        "/lock @admin https://example.com #tag",
        "Jane Doe",
        '"',
        "null",
        "𝐁" * 3000,
        "<" * 5000,
        "line\n" * 400,
    ]
)
TEXTS = st.text() | HOSTILE
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXTS, inner, max_size=8), max_leaves=40
)
_NAMES = """
to subject body path content edits oldText newText files amount currency owner repo start_time end_time
attendees bcc action page_id children summary unit_amount
"""
NAMES = st.sampled_from(_NAMES.split())
ARGUMENTS = st.dictionaries(
    NAMES | TEXTS, VALUES | st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4), max_size=12
)
_TOOLS = """
google/send_gmail_message google/manage_event filesystem/edit_file filesystem/write_file x/y github/push_files
github/create_issue notion/API-post-page stripe/create_refund stripe/create_price
"""
TOOLS = st.sampled_from(_TOOLS.split())


def marks(text: str) -> tuple[Replaced, ...]:
    return tuple(Replaced(found.start(), found.end()) for found in re.finditer("Jane( Doe)?|42", text))


SETTING = Setting(Hour(ASKED, UTC), marks, reveals=2)


def drawn(leaf: Leaf) -> str:
    """How a value must look somewhere, without fences, marks and line breaks."""
    if isinstance(leaf.value, Raw):
        return leaf.value.text
    quote = '"' if ambiguous(leaf.value) else ""
    return quote + bare(visible(leaf.value)) + quote


def bare(text: str) -> str:
    return re.sub(r"[\u2068\u2069⟪⟫]", "", text).replace("⏎\n", "⏎")


def unfold(text: str) -> str:
    """Counted newlines written out again."""
    return re.sub(r"⏎×(\d+)", lambda found: "⏎" * int(found[1]), text)


def in_difference(leaf: Leaf, text: str) -> bool:
    """Whether every line of a compared text stands in the comparison."""
    lines = [bare(visible(line)) if line else "" for line in str(leaf.value).split("\n")]
    there = {bare(line)[2:] for line in text.split("\n") if line[:2] in ("  ", "- ", "+ ")}
    return all(line in there for line in lines)


def assert_complete(message: Message, arguments: str, extra: str | None = None) -> None:
    taken = parse(arguments, extra)
    on_card = rich.plain(message.text)
    file = message.attachment.content.decode() if message.attachment else ""
    whole_file = bare(file.replace("\n| ", "\n"))
    whole_card = unfold(bare(on_card))
    for leaf in taken.leaves:
        wanted = drawn(leaf)
        if message.attachment is not None:
            assert wanted in whole_file, leaf
            assert bare(name_of(leaf, marks)) in whole_file
        else:
            assert wanted in whole_card or in_difference(leaf, on_card), leaf


def assert_accepted(message: Message) -> None:
    text, entities = checks.formatted(rich.html(message.text), "HTML", checks.MESSAGE_UNITS, empty="empty")
    assert text == rich.plain(message.text).strip()
    assert units(text) == units(rich.plain(message.text).strip())
    assert len(entities) == rich.entities(tuple(span for span in message.text if span.text)), "Telegram would drop some"
    if message.attachment is not None:
        checks.formatted(rich.html(message.attachment.caption), "HTML", checks.CAPTION_UNITS, empty="empty")
        assert len(message.attachment.content) < checks.FILE_BYTES
    for row in message.keyboard:
        assert len(row) <= 8
        assert all(len(button.data.encode()) <= 64 for button in row)


@given(TOOLS, ARGUMENTS, TEXTS | st.none(), TEXTS, st.none() | st.dictionaries(TEXTS, VALUES, max_size=3))
@settings(max_examples=120, deadline=None)
def test_every_leaf_is_shown_and_the_message_accepted(
    tool: str, arguments: dict[str, Any], title: str | None, client: str, extra: dict[str, Any] | None
) -> None:
    text = json.dumps(arguments)
    more = json.dumps(extra) if extra is not None else None
    call = asked(tool, text, facts=ToolFacts(title=title), extra=more, client=client)
    message = card(call, text, more, SETTING)
    assert_accepted(message)
    assert_complete(message, text, more)


@given(st.text(min_size=1), VALUES)
@settings(max_examples=60, deadline=None)
def test_any_name_of_a_tool_and_any_shape_of_arguments(name: str, arguments: Any) -> None:
    text = json.dumps(arguments)
    message = card(asked(f"server/{name}", text), text, None, SETTING)
    assert_accepted(message)
    assert_complete(message, text)


SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("abc é\n", max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=20,
)


@given(TOOLS, st.dictionaries(NAMES, SMALL, max_size=5))
@settings(max_examples=100, deadline=None)
def test_what_fits_is_on_the_card(tool: str, arguments: dict[str, Any]) -> None:
    text = json.dumps(arguments)
    message = card(asked(tool, text), text, None, SETTING)
    count = len(parse(text).leaves)
    if count <= 25:
        assert message.attachment is None
        assert f"{count} of {count} argument" in rich.plain(message.text)


@given(ARGUMENTS)
@settings(max_examples=60, deadline=None)
def test_foreign_text_is_never_live(arguments: dict[str, Any]) -> None:
    """Outside of code there are only our own words: no link, mention or command of somebody else's."""
    hidden = {f"/lock{key}": value for key, value in arguments.items()} | {"x": "@admin /lock https://example.com"}
    text = json.dumps(hidden)
    message = card(
        asked("x/@admin https://example.com /lock", text, facts=ToolFacts(title="/lock @admin")), text, None, SETTING
    )
    plain, entities = parse_html(rich.html(message.text))
    over = covered(plain, entities, {"code", "pre"})
    wide = plain.encode("utf-16-le")
    outside = b"".join(wide[2 * at : 2 * at + 2] for at in range(len(over)) if not over[at]).decode(
        "utf-16-le", "replace"
    )
    assert "/lock" not in outside
    assert "@admin" not in outside
    assert "://" not in outside


@pytest.mark.parametrize("size", [3_000, 100_000, 3_000_000])
def test_large_values_go_into_the_file_whole(size: int) -> None:
    value = ("0123456789abcdef " * (size // 17 + 1))[:size].strip()
    text = json.dumps({"path": "a.txt", "content": value})
    message = card(asked("filesystem/write_file", text), text, None, SETTING)
    assert_accepted(message)
    assert_complete(message, text)
    assert (message.attachment is None) is (size == 3_000)


@pytest.mark.parametrize("count", [10, 60, 400, 2_000])
def test_many_arguments(count: int) -> None:
    text = json.dumps({f"key_{n}": f"value\n{n}" for n in range(count)})
    message = card(asked("x/y", text), text, None, SETTING)
    assert_accepted(message)
    assert_complete(message, text)


def test_deep_nesting() -> None:
    for depth in (50, 59, 60, 500, 900, 100_000):
        text = '{"a":' * depth + "1" + "}" * depth
        message = card(asked("x/y", text), text, None, SETTING)
        assert_accepted(message)
        assert_complete(message, text)
