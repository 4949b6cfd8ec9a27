"""Cards of calls that begin to wait for their client, or stop waiting: changed in place, at no message's cost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from portero.domain.ids import CallId
from portero.domain.values import Actor, Status
from portero.telegram.pace import Rate
from tests.stores import Place
from tests.telegram.fake_api.errors import ApiError
from tests.telegram.fake_api.world import Message
from tests.telegram.office import ANA, Office, Replica, open_office, refused, settings_for

WAITS = "It waits for its client to answer"


METHODS = ("elicitation/create", "sampling/createMessage")


def edits(office: Office) -> int:
    """How often somebody drew that the client is waited for."""
    return sum(WAITS in asked.parameters["text"] for asked in office.api.calls("editMessageText"))


class Question:
    """One that the server of a running call asks, and its answer."""

    def __init__(self, replica: Replica, call: CallId, method: str = "elicitation/create") -> None:
        self.replica, self.call = replica, call
        self.shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.asking = asyncio.create_task(replica.inquiries.ask(call, method, b"{}", self._present))

    async def _present(self, key: str) -> None:
        self.shown.set_result(key)

    async def answer(self) -> None:
        key = await self.shown
        await self.replica.inquiries.give(self.replica.call(self.call).client, self.call, {key: b"{}"})
        assert await self.asking == b"{}"


@asynccontextmanager
async def running(office: Office) -> AsyncIterator[tuple[CallId, Message]]:
    """A call that was approved and runs, with its card, which says so."""
    call = await office.first.ask(tool="never")
    card = await office.card(call)
    office.ana.taps(card, "Approve")
    await office.status(call, Status.EXECUTING)
    await office.until(lambda: "Running since" in card.text, "the card says that it runs")
    yield call, card
    await office.first.decisions.cancel(call, Actor("cli", "root"))
    await office.status(call, Status.CANCELLED)


async def test_the_card_says_when_the_client_is_waited_for_and_when_no_more(valkey: Place) -> None:
    async with open_office(valkey) as office, running(office) as (call, card):
        before = len(office.api.world.of_bot(ANA))
        question = Question(office.first, call)
        await office.until(lambda: WAITS in card.text, "the card says so")
        assert "elicitation/create" in card.text
        (line,) = [line for line in (await office.asks(office.ana, "/tasks")).text.splitlines() if call in line]
        assert line.startswith("💬 fixture/never executing, waits for its client · ")
        await question.answer()
        await office.until(lambda: WAITS not in card.text, "the card says no more")
        assert "Running since" in card.text
        withdrawn = Question(office.first, call, "sampling/createMessage")
        await office.until(lambda: "sampling/createMessage" in card.text, "it says so again")
        withdrawn.asking.cancel()
        await office.until(lambda: WAITS not in card.text, "it was withdrawn")
        assert len(office.api.world.of_bot(ANA)) == before + 1, "nothing was said but the answer to /tasks"
        assert office.first.call(call).notify_error is None
        assert refused(office.api) == []


async def test_what_is_answered_at_once_changes_nothing(valkey: Place) -> None:
    async with open_office(valkey, rest_seconds=1.0) as office, running(office) as (call, card):
        for _ in range(20):
            await Question(office.first, call).answer()
        last = Question(office.first, call)
        await office.until(lambda: WAITS in card.text, "the last one is shown")
        await Question(office.first, call).answer()
        await asyncio.sleep(1.5)  # longer than a card rests
        assert edits(office) == 1
        await last.answer()


async def test_questions_delay_no_message(valkey: Place) -> None:
    """Of what may be said at once more than half is left for messages, however often whose turn it is changes."""
    async with open_office(valkey, rate=Rate(24, 0.001)) as office, running(office) as (call, _):
        for number in range(30):
            question = Question(office.first, call, METHODS[number % 2])
            await question.shown
            await asyncio.sleep(0.1)  # time enough to draw it
            await question.answer()
        for _ in range(5):
            await office.asks(office.ana, "/whoami")


async def test_what_telegram_refuses_for_now_is_drawn_later(valkey: Place) -> None:
    async with open_office(valkey) as office, running(office) as (call, card):
        question = Question(office.first, call)
        trouble = ApiError(500, "Internal Server Error")
        office.api.fail("editMessageText", *[trouble] * 3)  # some of them are met by the pinned message
        await office.until(lambda: WAITS in card.text, "it is shown all the same", 30)
        assert office.first.call(call).notify_failures == 0
        await question.answer()


async def test_the_replica_that_runs_the_call_shows_it(valkey: Place) -> None:
    async with open_office(valkey) as office, running(office) as (call, card):
        await office.start("r2", settings_for(office.api))
        question = Question(office.first, call)
        await office.until(lambda: WAITS in card.text, "the card says so")
        await office.replicas[1].core.catch_up()
        await question.answer()
        await office.until(lambda: WAITS not in card.text, "and that it is over")
        assert edits(office) == 1, "by one of them"
