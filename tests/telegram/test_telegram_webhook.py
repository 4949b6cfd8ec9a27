"""Webhook mode: any replica takes an update, the secret is looked at first, and nothing gets lost."""

import asyncio

import aiohttp

from portero.domain.values import Status
from portero.settings import Secret
from portero.telegram.webhook import Webhook
from tests.stores import Place, free_port
from tests.telegram.hooked import relay, serving
from tests.telegram.office import ANA, open_office, settings_for


async def test_updates_go_to_any_replica(valkey: Place) -> None:
    """Behind one address two replicas take turns, as behind a load balancer."""
    port, turn, targets = free_port(), iter(range(10_000)), []
    settings = {"webhook_url": f"http://127.0.0.1:{port}/hook"}
    async with open_office(valkey, replicas=2, settings=settings) as office:
        one, two = (replica.bot.webhook for replica in office.replicas)
        assert one is not None
        assert two is not None
        assert one.secret == two.secret
        async with serving(one) as first, serving(two) as second:
            targets = [first, second]
            async with relay(lambda: targets[next(turn) % 2], {}, port):
                calls = [await office.first.ask(str(number)) for number in range(6)]
                for call in calls:
                    office.ana.taps(await office.card(call), "Approve")
                for call in calls:
                    await office.status(call, Status.COMPLETED)
                assert len(office.effects_seen()) == 6
                assert (await office.asks(office.ana, "/pending")).text.startswith("⏳ Pending")


async def test_a_webhook_wants_its_secret(valkey: Place) -> None:
    async with open_office(valkey, settings={"webhook_url": "http://127.0.0.1:9/hook"}) as office:
        hook = office.first.bot.webhook
        assert hook is not None
        call = await office.first.ask()
        card = await office.card(call)
        office.ana.taps(card, "Approve")
        update = office.api.world.updates[-1]
        header = hook.header.decode()
        async with serving(hook) as url, aiohttp.ClientSession() as session:
            for headers in ({}, {header: ""}, {header: "wrong"}, {header: hook.secret[:-1]}, {header: "é"}):
                async with session.post(url, json=update, headers=headers) as answer:
                    assert answer.status == 401
            assert office.first.call(call).status is Status.PENDING
            for body, status in ((b"", 200), (b"[1]", 200), (b"{", 200), (b"x" * 1_000_001, 413)):
                async with session.post(url, data=body, headers={header: hook.secret}) as answer:
                    assert answer.status == status
            async with session.get(url) as answer:
                assert answer.status == 405
            async with session.post(url, json=update, headers={header: hook.secret}) as answer:
                assert answer.status == 200
        await office.status(call, Status.COMPLETED)


async def test_an_update_waits_while_the_log_is_away(valkey: Place) -> None:
    port = free_port()
    async with open_office(valkey, settings={"webhook_url": f"http://127.0.0.1:{port}/hook"}) as office:
        hook = office.first.bot.webhook
        assert hook is not None
        async with serving(hook) as url, relay(lambda: url, {}, port):
            call = await office.first.ask()
            card = await office.card(call)
            office.place.redis.execute_command("CLIENT", "PAUSE", "4000", "WRITE")
            office.ana.taps(card, "Approve")
            await asyncio.sleep(0.5)
            assert office.first.call(call).status is Status.PENDING
            await office.status(call, Status.COMPLETED, seconds=20)
            assert office.effects_seen() == ["one"]


async def test_before_the_bot_is_there_telegram_is_told_to_try_again() -> None:
    async with asyncio.timeout(5):
        settings = settings_for_nobody()
        hook = Webhook(settings, "https://example.org/a/b?c=d")
        assert hook.path == "/a/b"
        assert await hook.receive(hook.secret, b"{}") == 503
        assert await hook.receive("other", b"{}") == 401


def settings_for_nobody() -> "object":
    from portero.settings import TelegramSettings

    return TelegramSettings(token=Secret("1:a"), admin_chat_id=ANA, webhook_secret=Secret("chosen"))


async def test_a_configured_secret_is_used(valkey: Place) -> None:
    settings = {"webhook_url": "http://127.0.0.1:9/hook", "webhook_secret": Secret("chosen_one")}
    async with open_office(valkey, settings=settings) as office:
        webhook = await office.until(lambda: office.api.methods.webhook, "the webhook is registered")
        assert webhook == {"url": settings["webhook_url"], "secret": "chosen_one"}
        assert settings_for(office.api).webhook_secret is None
