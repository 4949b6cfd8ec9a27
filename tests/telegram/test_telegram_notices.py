"""What the bot says by itself, when, how loud, and only once."""

import threading

import pytest

from portero.domain.events import SegmentArchived
from portero.domain.ids import ARCHIVE_AGGREGATE
from portero.domain.values import SYSTEM, Action, Status
from portero.log import Write
from portero.telegram import bot
from tests.stores import Place
from tests.telegram.fake_api.errors import ApiError
from tests.telegram.office import ANA, CLI, Office, open_office, settings_for

HOUR = 3_600_000


def texts(office: Office, word: str) -> list[str]:
    return [message.text for message in office.api.world.of_bot(ANA) if word in message.log[0]]


async def test_reminders_at_half_and_at_nine_tenths(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        office.clock.ahead += 12 * HOUR + 1000
        first = await office.says("Still waiting for you")
        assert first.reply_to == card.id
        assert not first.silent
        assert "left" in first.text
        office.clock.ahead += 9 * HOUR
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "Still waiting")) == 1
        office.clock.ahead += HOUR
        await office.until(lambda: len(texts(office, "Still waiting")) == 2, "the second reminder")
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "Still waiting")) == 2
        office.ana.taps(await office.says("Still waiting"), "Show")
        await office.until(
            lambda: len([m for m in office.api.world.of_bot(ANA) if "Approval needed" in m.text]) == 2, "shown"
        )


async def test_many_reminders_are_one_message(valkey: Place) -> None:
    async with open_office(valkey) as office:
        calls = [await office.first.ask(str(number)) for number in range(6)]
        for call in calls:
            await office.card(call)
        office.clock.ahead += 12 * HOUR + 60_000
        reminder = await office.says("6 approvals still wait")
        assert all(call in reminder.text for call in calls)


async def test_reminders_are_not_repeated_by_the_next_holder_of_the_lease(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        await office.card(call)
        office.clock.ahead += 12 * HOUR + 60_000
        await office.says("Still waiting")
        await office.until(lambda: office.first.call(call).ref("telegram.half"), "it is on the log")
        await office.stop("r1")
        await office.start("r2", settings_for(office.api))
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "Still waiting")) == 1


async def test_the_pinned_message_counts_what_waits(valkey: Place) -> None:
    async with open_office(valkey) as office:
        chat = office.api.world.chats[ANA]
        calls = [await office.first.ask(str(number)) for number in range(2)]
        await office.until(lambda: chat.pinned, "something is pinned")
        pinned = chat.messages[chat.pinned[0]]
        await office.until(lambda: "2 approvals wait" in pinned.text, "it counts two")
        office.ana.taps(await office.card(calls[0]), "Approve")
        await office.until(lambda: "1 approval waits" in pinned.text, "it counts one")
        await office.stop("r1")
        await office.start("r2", settings_for(office.api))
        office.ana.taps(await office.card(calls[1]), "Deny")
        await office.until(lambda: "Nothing waits" in pinned.text, "it counts none")
        assert len(chat.pinned) == 1


async def test_unasked_calls_are_summarised_in_silent_batches(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for number in range(7):
            await office.first.run("echo", text=str(number))
        for _ in range(2):
            await office.first.run("hidden")
        office.clock.ahead += 40_000
        summary = await office.says("ran unasked")
        assert "7 calls ran unasked, 2 denied" in summary.text
        assert "fixture/echo · 7 done" in summary.text
        assert "fixture/hidden · 2 denied" in summary.text
        assert summary.silent
        office.ana.taps(summary, "Ask: echo")
        await office.until(lambda: list(office.first.view.rules), "the rule is set")
        [rule] = office.first.view.rules
        assert (rule.pattern, rule.literal, rule.action) == ("fixture/echo", True, Action.ASK)
        office.ana.taps(summary, "Deny: echo")
        await office.until(lambda: [r.action for r in office.first.view.rules] == [Action.DENY], "the rule is changed")
        office.clock.ahead += HOUR
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "ran unasked")) == 1


async def test_failures_of_unasked_calls_are_told_at_once_but_not_each(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for number in range(5):
            await office.first.run("fail", code=5, message=f"broken {number}")
        failed = await office.says("A call failed")
        assert "broken 0" in failed.text
        assert not failed.silent
        office.clock.ahead += 61_000
        await office.first.run("fail", code=5, message="broken again")
        await office.says("and 4 more since the last message")
        assert len(texts(office, "A call failed")) == 2


async def test_a_failure_before_the_bot_is_there_is_told_when_it_is(
    valkey: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes seconds to load, and on a busy machine more; the gateway serves meanwhile."""
    loaded, load = threading.Event(), bot._import

    def late() -> object:
        assert loaded.wait(20)
        return load()

    monkeypatch.setattr(bot, "_import", late)
    async with open_office(valkey) as office:
        await office.first.run("fail", code=5, message="broken early")
        loaded.set()
        assert "broken early" in (await office.says("A call failed")).text


async def test_a_notice_that_could_not_be_sent_is_sent_later(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/whoami")
        trouble = ApiError(500, "Internal Server Error")
        office.api.fail("sendMessage", trouble, trouble)
        await office.first.run("fail", code=5, message="broken")
        await office.says("A call failed", seconds=20)
        call = await office.first.ask()
        await office.card(call)
        office.api.fail("sendMessage", trouble)
        office.clock.ahead += 12 * HOUR + 60_000
        await office.says("Still waiting", seconds=20)
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "Still waiting")) == len(texts(office, "A call failed")) == 1


async def test_an_unknown_outcome_asks_what_is_true(valkey: Place) -> None:
    for label, status in (
        ("It happened", Status.COMPLETED),
        ("It did not", Status.ERROR),
        ("Run again", Status.UNKNOWN),
    ):
        async with open_office(valkey) as office:
            call = await office.first.ask(tool="never")
            office.ana.taps(await office.card(call), "Approve")
            await office.status(call, Status.EXECUTING)
            await office.until(lambda office=office: office.first.upstreams.status()[0].in_flight, "it is sent")
            await office.first.upstreams.stop()
            await office.status(call, Status.UNKNOWN)
            told = await office.says("Outcome unknown")
            assert not told.silent
            assert told.labels() == ["It happened", "It did not", "🔁 Run again"]
            office.ana.taps(told, label)
            if status is not Status.UNKNOWN:
                done = await office.status(call, status)
                assert done.resolved_by is not None
                assert done.resolved_by.name == "Ana"
                card = await office.card(call)
                await office.until(lambda card=card: "Settled by hand" in card.text, "the card tells it")
            else:
                await office.until(
                    lambda call=call: office.first.call(call).status is not Status.UNKNOWN, "it runs again"
                )
        valkey.clear()


async def test_what_other_people_change_is_told(valkey: Place) -> None:
    async with open_office(valkey) as office:
        decisions = office.first.decisions
        await decisions.set_rule("fixture/*", Action.DENY, CLI)
        told = await office.says("A rule was set on the command line")
        assert told.silent
        assert "by root" in told.text
        await decisions.lock(CLI, reason="strange")
        assert "strange" in (await office.says("Everything is locked")).text


async def test_what_happened_while_no_bot_ran_is_told_after(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/whoami")
        await office.stop("r1")
        api = office.api
        quiet = await office.start("r2", settings_for(api, api_base="http://127.0.0.1:9"))
        await quiet.decisions.lock(CLI)
        await quiet.core.catch_up()
        call = await quiet.run("echo", text="x")
        assert call is not None
        await office.stop("r2")
        await office.start("r3", settings_for(api))
        await office.says("Everything is locked")


async def test_a_first_bot_does_not_tell_the_whole_past(valkey: Place) -> None:
    async with open_office(valkey, settings={"admin_chat_id": None}) as office:
        await office.first.decisions.lock(CLI, reason="long ago")
        await office.first.decisions.unlock(CLI)
        await office.stop("r1")
        office.place.redis.delete(office.place.key("note:telegram.announced"))
        await office.start("r2", settings_for(office.api))
        await office.asks(office.ana, "/whoami")
        assert not texts(office, "locked")


async def archive(office: Office, first: int, digest: str) -> None:
    core = office.first.core
    version = core.view.archived.version if core.view.archived else 0
    event = SegmentArchived(first, first + 9, digest * 64, "", f"{first}", 100, "5-0")
    await core.log.append(Write(ARCHIVE_AGGREGATE, version, (event,)), actor=SYSTEM, now=core.clock())
    await core.catch_up()


async def test_the_archives_head_is_said_once_a_day_and_not_again_by_the_next_holder(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await archive(office, 1, "a")
        said = await office.says("The archive's head")
        assert said.silent
        assert f"{office.first.core.log.id}:10:{'a' * 64}" in said.text
        await archive(office, 11, "b")
        await office.stop("r1")
        await office.start("r2", settings_for(office.api))
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "The archive's head")) == 1
        office.clock.ahead += 25 * HOUR
        await office.until(lambda: len(texts(office, "The archive's head")) == 2, "the next day's")
        office.clock.ahead += 25 * HOUR
        await office.asks(office.ana, "/whoami")
        assert len(texts(office, "The archive's head")) == 2
        assert f":20:{'b' * 64}" in texts(office, "The archive's head")[1]
