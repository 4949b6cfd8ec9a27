"""Webhook: Telegram posts updates to any replica; a secret header proves that it is Telegram."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from portero.settings import TelegramSettings

LARGEST_BYTES: Final = 1_000_000

Take = Callable[[bytes], Awaitable[int]]
"""Takes the body of an update; returns the HTTP status to answer."""


class Webhook:
    """``path`` is where the gateway takes POST requests for ``receive``; ``header`` carries the secret.

    It is there before the bot is: until then Telegram is told to try again.
    """

    header = b"x-telegram-bot-api-secret-token"

    def __init__(self, settings: TelegramSettings, url: str) -> None:
        self.url, self.secret = url, _secret(settings)
        self.path = urlsplit(url).path or "/"
        self._take: Take | None = None

    def connect(self, take: Take) -> None:
        self._take = take

    def authentic(self, secret: str | None) -> bool:
        """To be asked before the body is read; in constant time."""
        return secret is not None and hmac.compare_digest(secret.encode(), self.secret.encode())

    async def receive(self, secret: str | None, body: bytes) -> int:
        """The HTTP status to answer: 503 makes Telegram send the update again."""
        if not self.authentic(secret):
            return 401
        if len(body) > LARGEST_BYTES:
            return 413
        return await self._take(body) if self._take is not None else 503


def _secret(settings: TelegramSettings) -> str:
    """The configured one, or one made of the token, so that all replicas have the same without being told."""
    if settings.webhook_secret:
        return settings.webhook_secret.reveal()
    return hmac.new(settings.token.reveal().encode(), b"portero webhook", hashlib.sha256).hexdigest()
