"""What lies across the network: our own port, servers over HTTP, Telegram."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from portero.cli import probe
from portero.cli.doctor.finding import Finding, fail, ok, warn
from portero.settings.values import Settings, TelegramSettings, UpstreamConfig

CONNECT_SECONDS: Final = 3.0
TELEGRAM_SECONDS: Final = 5.0
TELEGRAM: Final = "https://api.telegram.org"


async def port(settings: Settings) -> Finding:
    """Free, or answered by a Portero; anything else would keep one from starting."""
    about = f"port {settings.port}"
    if _free(settings.host, settings.port):
        return ok(about, "free: no gateway runs here now")
    scheme = "https" if settings.ssl_cert else "http"
    page = await probe.get(f"{scheme}://{_bracketed(settings.host)}:{settings.port}/ready")
    if page is not None and isinstance(page.body, dict) and page.body.get("status") in {"ready", "not ready"}:
        if page.status == 200:
            return ok(about, "a gateway answers here, and is ready")
        reasons = " ".join(str(reason) for reason in page.body.get("reasons", []))
        return fail(about, f"a gateway answers here, but is not ready: {reasons}", "See what its log says.")
    todo = f"Stop it (`ss -ltnp 'sport = :{settings.port}'` shows it), or set another PORT in .env."
    return fail(about, "something else listens here", todo)


def _free(host: str, number: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as test:
        test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            test.bind((host, number))
        except OSError:
            return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def remote_servers(settings: Settings) -> Iterator[UpstreamConfig]:
    return (upstream for upstream in settings.upstreams if upstream.url is not None and not upstream.disabled)


async def server(upstream: UpstreamConfig) -> Finding:
    """Whether somebody listens there; what is said is for a gateway to try."""
    about = f"server {upstream.name}"
    parts = urlsplit(upstream.url or "")
    number = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, number)
            writer.close()
    except (OSError, TimeoutError) as error:
        why = getattr(error, "strerror", None) or "no answer in time"
        return fail(about, f"{parts.hostname}:{number} cannot be reached: {why}", "Check its url in mcps.json.")
    return ok(about, f"{parts.hostname}:{number} can be reached")


async def telegram(settings: Settings) -> Finding:
    if settings.telegram is None:
        return ok("Telegram", "not configured: approvals go through this command line")
    return await asyncio.to_thread(_ask_telegram, settings.telegram)


def _ask_telegram(bot: TelegramSettings) -> Finding:
    """Asks the Bot API who the bot is. The token is part of the address, so no error text is passed on as it is."""
    base = bot.api_base or TELEGRAM
    try:
        url = f"{base.rstrip('/')}/bot{bot.token.reveal()}/getMe"
        with urllib.request.urlopen(url, timeout=TELEGRAM_SECONDS) as reply:  # noqa: S310 - settings allow http(s) only
            answer: Any = json.load(reply)
    except urllib.error.HTTPError as error:
        if error.code in {401, 404}:
            return fail("Telegram", "it does not know the bot's token", "Copy TELEGRAM_BOT_TOKEN anew from @BotFather.")
        return warn("Telegram", f"it answers with status {error.code}", "Try again later.")
    except (OSError, ValueError) as error:
        why = type(getattr(error, "reason", None) or error).__name__
        todo = "Check the network and TELEGRAM_API_BASE; until then decide with `portero approve`."
        return fail("Telegram", f"{urlsplit(base).hostname} cannot be reached ({why})", todo)
    return ok("Telegram", f"the bot is @{answer['result']['username']}")
