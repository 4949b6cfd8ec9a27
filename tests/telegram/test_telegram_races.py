"""Whatever is tapped at once, by whom, on which replica: one decision, and at most one execution."""

import asyncio
import contextlib
import json
from itertools import product

from portero.domain.events import CallApproved, CallDenied
from portero.domain.values import Status
from portero.errors import AlreadyDecided
from tests.stores import Place
from tests.telegram.fake_api.world import Message, Person
from tests.telegram.office import ANA, BEN, CLI, Office, Replica, open_office

LABELS = ("✅ Approve", "⛔ Deny", "grant 10 min", "grant 1 h", "always allow", "always deny")
GROUP = -100
ENDED = (Status.COMPLETED, Status.DENIED)


async def decisions_on_log(replica: Replica, call: str) -> int:
    found = 0
    async for batch in replica.log.read():
        found += sum(
            recorded.aggregate == f"call/{call}" and isinstance(recorded.event, CallApproved | CallDenied)
            for recorded in batch
        )
    return found


def posted(office: Office, person: Person, card: Message, label: str) -> bytes:
    """The update of a tap, taken out of Telegram's queue: for the webhook of a replica of the test's choice."""
    person.taps(card, label)
    return json.dumps(office.api.world.updates.pop()).encode()


async def test_all_pairs_of_buttons_by_two_people_on_two_replicas(valkey: Place) -> None:
    settings = {
        "admin_chat_id": GROUP,
        "admin_user_ids": (ANA, BEN),
        "webhook_url": "http://127.0.0.1:9/never",
    }
    async with open_office(valkey, replicas=2, settings=settings) as office:
        office.api.world.group(GROUP, ANA, BEN)
        one, two = office.replicas
        effects = 0
        for number, (left, right) in enumerate(product(LABELS, LABELS)):
            call = await one.ask(f"effect {number}")
            card = await office.card(call, chat=GROUP)
            bodies = posted(office, office.ana, card, left), posted(office, office.ben, card, right)
            webhooks = one.bot.webhook, two.bot.webhook
            assert webhooks[0] is not None
            assert webhooks[1] is not None
            statuses = await asyncio.gather(
                *(hook.receive(hook.secret, body) for hook, body in zip(webhooks, bodies, strict=True) if hook)
            )
            assert statuses == [200, 200]
            ended = await office.status(call, *ENDED)
            await one.core.catch_up()
            effects += ended.status is Status.COMPLETED
            assert await decisions_on_log(one, call) == 1, (left, right)
            assert len(office.effects_seen()) == effects, (left, right)
            view = one.view
            extra = len(view.grants.active(office.clock())) + len(view.rules)
            assert extra <= 1
            decided = ended.approval.decision if ended.approval else None
            assert decided is not None
            assert extra == (decided.grant is not None or decided.rule is not None)
            by = decided.by
            assert by is not None
            for grant in view.grants.active(office.clock()):
                await one.decisions.revoke(grant.id, by)
            for rule in list(view.rules):
                await one.decisions.remove_rule(rule.id, by)
            await one.core.catch_up()
            await two.core.catch_up()


async def test_a_double_tap_is_one_decision(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        queries = [office.ana.taps(card, "✅ Approve") for _ in range(5)]
        await office.status(call, Status.COMPLETED)
        answers = [await office.answer(query) for query in queries]
        assert [answer["text"] for answer in answers].count("✅ Approved") == 1
        assert sum("Already" in answer["text"] for answer in answers) == 4
        assert office.effects_seen() == ["one"]
        assert await decisions_on_log(office.first, call) == 1


async def test_the_command_line_and_the_bot_race(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for number in range(10):
            call = await office.first.ask(str(number))
            card = await office.card(call)
            office.ana.taps(card, "✅ Approve")
            with contextlib.suppress(AlreadyDecided):
                await office.first.decisions.deny(call, CLI)
            ended = await office.status(call, *ENDED)
            assert (ended.status is Status.DENIED) is (ended.decided_by == CLI)
            assert await decisions_on_log(office.first, call) == 1
