"""The bot in webhook mode against a stand-in for Telegram that somebody else wrote: PyPI's telemelya."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from portero.domain.values import Status
from tests.stores import Place, free_port
from tests.telegram.hooked import relay, serving
from tests.telegram.office import ANA, open_office

PYTHON = Path(__file__).parents[2] / ".tools" / "telemelya" / "bin" / "python"
KEY = {"Authorization": "Bearer key"}
TOKEN = "7000001:fake-token-for-tests"


@contextlib.asynccontextmanager
async def bucket() -> AsyncIterator[int]:
    """telemelya keeps pictures in an S3 store and wants one at its start; none is sent here."""
    app = web.Application()

    async def fine(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_route("*", "/{path:.*}", fine)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def telemelya(redis_url: str) -> AsyncIterator[str]:
    assert PYTHON.exists(), "telemelya is not installed: `make dev`"
    port = free_port()
    async with bucket() as store:
        environment = {
            **os.environ,
            "MOCK_SERVER_HOST": "127.0.0.1",
            "MOCK_SERVER_PORT": str(port),
            "REDIS_URL": redis_url,
            "MINIO_ENDPOINT": f"127.0.0.1:{store}",
            "AUTH_KEYS": "key",
            "STRICT_EDIT": "true",
        }
        process = await asyncio.create_subprocess_exec(
            PYTHON, "-m", "telemelya.server.app", env=environment, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        base = f"http://127.0.0.1:{port}"
        try:
            await _answers(base)
            yield base
        finally:
            process.terminate()
            await process.wait()


async def _answers(base: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(base) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


class Telemelya:
    """Its control API: people act, and the bot's requests are looked at."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base, self._session = base, session

    async def act(self, **what: Any) -> None:
        url = f"{self._base}/api/v1/test/send_update"
        await asyncio.sleep(0.01)  # its update ids are milliseconds
        async with self._session.post(
            url, params={"bot_token": TOKEN}, json={"chat_id": ANA, **what}, headers=KEY
        ) as got:
            assert got.status == 200, await got.text()
            assert (await got.json())["delivery"]["status_code"] == 200

    async def said(self, method: str, word: str, seconds: float = 20.0) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while True:
                async with self._session.get(f"{self._base}/api/v1/test/responses", headers=KEY) as got:
                    found = [one for one in (await got.json())["responses"] if one["method"] == method]
                for one in reversed(found):
                    if word in (one.get("text") or ""):
                        return one
                await asyncio.sleep(0.05)


async def test_a_card_is_approved_and_another_denied_with_commands_between(valkey: Place) -> None:
    port = free_port()
    redis = f"unix://{valkey.server.socket}?db=1"
    async with telemelya(redis) as base, aiohttp.ClientSession() as session:
        settings = {"webhook_url": f"http://127.0.0.1:{port}/hook", "api_base": base}
        async with open_office(valkey, settings=settings) as office:
            hook = office.first.bot.webhook
            assert hook is not None
            secret = {hook.header.decode(): hook.secret}  # the one thing that telemelya does not send
            async with serving(hook) as url, relay(lambda: url, secret, port):
                there = Telemelya(base, session)
                call = await office.first.ask("hello")
                card = await there.said("sendMessage", "Approval needed")
                keys = [button for row in card["reply_markup"]["inline_keyboard"] for button in row]
                data = {button["text"]: button["callback_data"] for button in keys}
                await _registered(session, base)
                await there.act(callback_data=data["✅ Approve"], callback_message_id=card["message_id"])
                await office.status(call, Status.COMPLETED, seconds=20)
                await there.said("editMessageText", "Done in")
                assert (await there.said("answerCallbackQuery", "Approved"))["text"] == "✅ Approved"
                await there.act(command="/status")
                await there.said("sendMessage", "📊 Portero")
                other = await office.first.ask("again")
                card = await there.said("sendMessage", other)
                await there.act(callback_data=f"d:{other}", callback_message_id=card["message_id"])
                await office.status(other, Status.DENIED, seconds=20)
                await there.said("editMessageText", "Denied by TestUser")
                assert office.effects_seen() == ["hello"]


async def _registered(session: aiohttp.ClientSession, base: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with session.post(f"{base}/bot{TOKEN}/getWebhookInfo") as got:
                if (await got.json())["result"]["url"]:
                    return
            await asyncio.sleep(0.05)
