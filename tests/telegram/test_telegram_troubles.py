"""Telegram away, refusing, slow, or cutting connections: no task is lost, stuck or silently dead."""

import asyncio
from collections.abc import Callable

import pytest

from portero.domain.values import Status
from portero.telegram.routers import lists
from tests.stores import Place
from tests.telegram.fake_api.errors import (
    ApiError,
    Cut,
    Fault,
    Garbage,
    Hang,
    bad_request,
    conflict,
    forbidden,
    too_many,
)
from tests.telegram.fake_api.markup import units
from tests.telegram.office import ANA, CLI, Office, open_office, refused, settings_for

FAULTS: dict[str, Callable[[], Fault]] = {
    "429": lambda: too_many(1),
    "500": lambda: ApiError(500, "Internal Server Error"),
    "502 page": Garbage,
    "cut": Cut,
    "cut after": lambda: Cut(done=True),
    "403": forbidden,
    "401": lambda: ApiError(401, "Unauthorized"),
    "400 rights": lambda: bad_request("not enough rights to send text messages to the chat"),
}


async def test_ten_taps_while_the_bot_is_down(valkey: Place) -> None:
    async with open_office(valkey) as office:
        calls = [await office.first.ask(f"effect {number}") for number in range(10)]
        cards = [await office.card(call) for call in calls]
        await office.stop("r1")
        for number, card in enumerate(cards):
            office.ana.taps(card, "⛔ Deny" if number % 2 else "✅ Approve")
        office.api.world.queries.clear()  # too old to be answered by the time the bot is back
        await office.start("r2", settings_for(office.api))
        for number, call in enumerate(calls):
            await office.status(call, Status.DENIED if number % 2 else Status.COMPLETED)
        assert sorted(office.effects_seen()) == [f"effect {number}" for number in range(0, 10, 2)]
        await office.until(
            lambda: all("Denied by Ana" in card.text for card in cards[1::2]), "every card tells its decision"
        )
        await office.until(lambda: not office.api.world.updates, "the last ones are confirmed, with the next question")


@pytest.mark.parametrize("kind", FAULTS)
async def test_telegram_fails_at_every_step(valkey: Place, kind: str) -> None:
    """The first two requests of every method fail; a person acts as soon as they can, and everything ends well."""
    async with open_office(valkey) as office:
        for method in ("sendMessage", "sendDocument", "editMessageText", "answerCallbackQuery", "pinChatMessage"):
            office.api.fail(method, FAULTS[kind](), FAULTS[kind]())
        calls = [await office.first.ask("short"), await office.first.ask("x" * 10_000)]
        for call in calls:
            while office.first.call(call).ref("telegram") is None:
                office.clock.ahead += 700_000  # past every pause: where only a person can help, those are long
                await asyncio.sleep(0.3)
            office.ana.taps(await office.card(call), "✅ Approve")
            await office.status(call, Status.COMPLETED, seconds=20)
        assert sorted(map(len, office.effects_seen())) == [5, 10_000]
        for call in calls:
            card = await office.card(call)
            for _ in range(100):
                if "Done in" in card.text:
                    break
                office.clock.ahead += 700_000
                await asyncio.sleep(0.2)
            assert "Done in" in card.text
            assert office.first.call(call).notify_error is None or "Done in" in card.text


async def test_the_bot_is_blocked_and_let_in_again(valkey: Place) -> None:
    async with open_office(valkey) as office:
        chat = office.api.world.chats[ANA]
        chat.broken = forbidden()
        call = await office.first.ask()
        await office.until(lambda: office.first.call(call).notify_error, "the failure is on the log")
        assert office.first.call(call).status is Status.PENDING
        chat.broken = None
        office.clock.ahead += 700_000
        office.ana.taps(await office.card(call), "Approve")
        await office.status(call, Status.COMPLETED)


async def test_a_card_that_telegram_refuses_is_replaced_by_a_bare_one(valkey: Place) -> None:
    async with open_office(valkey) as office:
        office.api.fail("sendMessage", bad_request("can't parse entities: byte offset 3"))
        call = await office.first.ask("secret")
        card = await office.card(call)
        assert "Telegram refused the card" in card.text
        assert f"portero show {call}" in card.text
        assert card.labels() == ["⛔ Deny", "⛔ Deny + always deny"]
        office.ana.taps(card, "Deny")
        await office.status(call, Status.DENIED)


async def test_a_file_that_is_refused_leaves_only_denying(valkey: Place) -> None:
    async with open_office(valkey) as office:
        office.api.fail("sendDocument", ApiError(413, "Request Entity Too Large"))
        card = await office.card(await office.first.ask("x" * 10_000))
        assert card.labels() == ["⛔ Deny", "⛔ Deny + always deny"]


async def test_a_deleted_card_is_sent_again_and_a_finished_one_is_let_go(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        card.deleted = True
        office.ana.says(f"/task {call}")
        again = await office.until(lambda: [m for m in office.api.world.of_bot(ANA) if call in m.text], "a new card")
        again[-1].deleted = True
        await office.first.decisions.deny(call, CLI)
        await office.status(call, Status.DENIED)
        await office.until(lambda: office.api.calls("editMessageText"), "an edit was tried")
        assert office.first.call(call).notify_retry_at is None


async def test_a_second_program_with_the_token_makes_the_bot_step_back(valkey: Place) -> None:
    async with open_office(valkey) as office:
        office.api.fail("getUpdates", conflict(), conflict(), conflict())
        call = await office.first.ask()
        office.ana.taps(await office.card(call), "Approve")
        await office.status(call, Status.COMPLETED, seconds=20)
        epoch = office.place.key("epoch:telegram")
        await office.until(
            lambda: int(str(office.place.redis.get(epoch))) > 1, "the lease was given back and taken again"
        )


async def test_a_webhook_that_was_set_before_is_removed_without_loss(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.stop("r1")
        office.api.methods.webhook = {"url": "http://127.0.0.1:9/", "secret": None}
        office.ana.says("/whoami")
        await office.start("r2", settings_for(office.api))
        await office.says("You are Ana")


async def test_only_one_replica_polls_and_another_goes_on_when_it_dies(valkey: Place) -> None:
    async with open_office(valkey, replicas=2) as office:
        call = await office.first.ask()
        card = await office.card(call)
        await asyncio.sleep(0.3)
        polls = {id(request) for request in office.api.calls("getUpdates") if request.refused}
        assert not polls, "two polled at once"
        await office.stop("r1")
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED, seconds=20)


async def test_a_handler_that_breaks_stops_nothing(valkey: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(lists, "standing", broken)
    async with open_office(valkey) as office:
        office.ana.says("/status")
        office.ana.says("/whoami")
        await office.says("You are Ana")


async def test_wrong_words_get_an_answer_and_change_nothing(valkey: Place) -> None:
    wrong = (
        "?",
        "/",
        "/grant",
        "/grant *",
        "/grant a/b 5x",
        "/grant a/b 5m -1",
        "/allow",
        "/allow x",
        "/unrule",
        "/task",
    )
    async with open_office(valkey) as office:
        for words in wrong:
            answer = await office.asks(office.ana, words)
            assert units(answer.text) > 10
        assert not list(office.first.view.rules)
        assert not office.first.view.grants.active(office.clock())


STRANGE = {
    "a new kind of origin": {"forward_origin": {"type": "hologram", "date": 1}},
    "a new kind of reply": {"reply_to_message": {"message_id": "not a number"}},
    "a number too many": {"text": ["no", "text"]},
    "an empty one": {"chat": None},
}


async def test_an_update_that_cannot_be_read_stops_no_other(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for kind in STRANGE:
            await _strange_then_plain(office, kind)


async def _strange_then_plain(office: Office, kind: str) -> None:
    call = await office.first.ask()
    card = await office.card(call)
    said = office.api.world.as_json(office.eve.says("hello"))
    office.api.world.updates[-1]["message"] = {**said, **STRANGE[kind]}
    office.ana.says("/whoami")
    office.api.world.updates[-1]["message"]["external_reply"] = {"origin": {"type": "hologram"}}
    office.ana.taps(card, "Approve")
    office.api.world.updates[-1]["callback_query"]["message"]["via_bot"] = "none"
    await office.says("You are Ana")
    await office.status(call, Status.COMPLETED)
    await office.until(lambda: not office.api.world.updates, "all updates are taken")


async def test_a_flood_of_strangers_delays_nobody_for_long(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        for user in range(1000, 1300):
            office.api.world.person(user).says("/start")
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)


async def test_the_log_away_makes_taps_wait_not_vanish(valkey: Place) -> None:
    """The store refuses writes for a while: the tap is tried until it is taken."""
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        redis = office.place.redis
        redis.execute_command("CLIENT", "PAUSE", "3000", "WRITE")
        office.ana.taps(card, "Approve")
        await asyncio.sleep(1.0)
        assert office.first.call(call).status is Status.PENDING
        await office.status(call, Status.COMPLETED, seconds=20)
        assert office.effects_seen() == ["one"]


async def test_nothing_is_sent_that_a_strict_server_refuses(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for text in ("a", "<b>" * 2000, "\u202e" * 5, "x" * 9000, "𝐁" * 3000):
            call = await office.first.ask(text)
            office.ana.taps(await office.card(call), "Approve")
            await office.status(call, Status.COMPLETED)
            await office.says("Done in")
        for command in ("/status", "/help", "/pending", "/tasks", "/logs", "/rules", "/grants", "/revoke", "/whoami"):
            await office.asks(office.ana, command)
        assert refused(office.api) == []


async def test_telegram_restarts(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        await office.api.stop()
        later = await office.first.ask("two")
        await asyncio.sleep(0.3)
        await office.api.start()
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED, seconds=30)
        office.clock.ahead += 60_000
        office.ana.taps(await office.card(later), "Approve")
        await office.status(later, Status.COMPLETED, seconds=30)


async def test_a_hanging_answer_delays_no_decision(valkey: Place) -> None:
    async with open_office(valkey) as office:
        calls = [await office.first.ask(str(number)) for number in range(5)]
        cards = [await office.card(call) for call in calls]
        office.api.fail("answerCallbackQuery", *[Hang() for _ in range(5)])
        for card in cards:
            office.ana.taps(card, "Approve")
        for call in calls:
            await office.status(call, Status.COMPLETED, seconds=10)
