"""Notices, lists and answers look as their example files say, and Telegram takes them whatever is in them."""

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portero.domain.ids import ClientId, Millis
from portero.domain.values import Action, Actor
from portero.telegram.callbacks import Tap, Verb, data, parse
from portero.telegram.render import journal, notices, rich
from portero.telegram.render.listing import Item, Listing, page
from portero.telegram.render.message import button
from portero.telegram.render.reveal import PAGE, pages
from portero.telegram.render.standing import Hour
from projections.activity import Entry
from tests.telegram.fake_api.markup import covered, parse_html, units
from tests.telegram.spoken import SPOKEN
from tests.telegram.test_telegram_card_properties import HOSTILE, TEXTS, assert_accepted
from tests.telegram.test_telegram_examples import assert_like_file

HOUR = Hour(1_700_000_000_000, UTC)
WORDS = st.sampled_from(["/lock", "@admin", "https://example.com"])


@pytest.mark.parametrize("name", SPOKEN)
def test_it_is_like_its_example(name: str) -> None:
    message = SPOKEN[name]()
    assert_accepted(message)
    assert_like_file(name, message)


def entries() -> Any:
    kinds = st.sampled_from(["ExecutionFailed", "CallApproved", "RuleSet", "GrantIssued", "UpstreamLost", "Whatever"])
    return st.builds(
        lambda kind, subject, name, client, detail, took: Entry(
            1, Millis(1), kind, "call/x", subject, Actor("telegram", "1", name), ClientId(client), Action.ALLOW, detail,
            False, took,
        ),
        kinds, TEXTS | WORDS, TEXTS, TEXTS | WORDS, TEXTS | WORDS | st.none(), st.integers(0, 10**9) | st.none(),
    )  # fmt: skip


@given(st.lists(entries(), max_size=60), st.integers(-3, 99), TEXTS)
@settings(max_examples=40, deadline=None)
def test_any_log_is_accepted_page_by_page(found: list[Entry], number: int, words: str) -> None:
    assert_accepted(page(journal.journal(found, HOUR, words), number))


@given(TEXTS | WORDS, TEXTS | WORDS, TEXTS | WORDS | st.none())
@settings(max_examples=60, deadline=None)
def test_any_notice_is_accepted_and_nothing_foreign_in_it_is_live(tool: str, client: str, error: str | None) -> None:
    token = "0123456789abcdef"
    ran = [notices.Ran(tool, token, done=1, clients=frozenset({client}))]
    for message in (
        notices.failure(tool, token, client, error, 2),
        notices.summary(ran, 1, HOUR),
        notices.happening("💥", "Something about", tool, error, by="somebody"),
    ):
        assert_accepted(message)
        plain, found = parse_html(rich.html(message.text))
        over, wide = covered(plain, found, {"code", "pre"}), plain.encode("utf-16-le")
        live = b"".join(wide[2 * at : 2 * at + 2] for at in range(len(over)) if not over[at])
        assert not any(word in live.decode("utf-16-le", "replace") for word in ("/lock", "@admin", "://"))


@given(st.integers(0, 200), st.integers(0, 400), st.booleans())
@settings(max_examples=40, deadline=None)
def test_pages_hold_every_item_once(count: int, size: int, keys: bool) -> None:
    buttons = (button("x", Verb.REVOKE, "g1"),) if keys else ()
    items = tuple(Item(rich.code(f"<{number}>" + "x" * size), buttons) for number in range(count))
    listing = Listing("grants", rich.bold("Title"), items)
    seen, number = "", 1
    while True:
        message = page(listing, number)
        assert_accepted(message)
        seen += rich.plain(message.text)
        if not any("More" in key.text for row in message.keyboard for key in row):
            break
        number += 1
    assert [seen.count(f"<{one}>") for one in range(count)] == [1] * count


@given(st.lists(st.tuples(TEXTS | HOSTILE, TEXTS | HOSTILE), max_size=6))
@settings(max_examples=60, deadline=None)
def test_alerts_are_never_too_long(pairs: list[tuple[str, str]]) -> None:
    assert all(0 < units(text) <= PAGE for text in pages(pairs))


def test_alerts_tell_every_pair() -> None:
    pairs = [(f"fake {number}", "real " + "x" * (number + 1)) for number in range(0, 60, 6)]
    told = "\n".join(pages(pairs))
    assert all(f"{fake} → {real}" in told for fake, real in pairs)


@given(st.sampled_from(list(Verb)), st.from_regex(r"[a-z0-9]{0,16}", fullmatch=True), st.integers(0, 9999))
def test_callback_data_comes_back(verb: Verb, about: str, number: int) -> None:
    text = data(verb, about, number)
    assert len(text.encode()) <= 64
    assert parse(text) == Tap(verb, about, number)


@given(st.none() | st.text() | st.from_regex(r"[a-z0-9]{1,3}:.*"))
def test_callback_data_of_others_is_nothing(text: str | None) -> None:
    tap = parse(text)
    assert tap is None or (tap.verb in Verb and len(tap.about) <= 48)
