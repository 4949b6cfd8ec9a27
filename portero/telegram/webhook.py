"""Webhook: Telegram posts updates to any replica; a secret header proves that it is Telegram."""

import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

import structlog

from portero.errors import LogError
from portero.settings import TelegramSettings
from portero.telegram.client import Client
from portero.telegram.intake import KINDS, Intake

logger = structlog.get_logger("portero.telegram")

HEADER: Final = "x-telegram-bot-api-secret-token"
LARGEST_BYTES: Final = 1_000_000


def secret_of(settings: TelegramSettings) -> str:
    """The configured one, or one made of the token, so that all replicas have the same without being told."""
    if settings.webhook_secret:
        return settings.webhook_secret.reveal()
    return hmac.new(settings.token.reveal().encode(), b"portero webhook", hashlib.sha256).hexdigest()


class Webhook:
    """``path`` is where the gateway should take POST requests for ``receive``."""

    def __init__(self, settings: TelegramSettings, url: str, client: Client, intake: Intake) -> None:
        self.header = HEADER.encode()
        self._secret = secret_of(settings)
        self._url, self._client, self._intake = url, client, intake
        self.path = urlsplit(url).path or "/"

    def authentic(self, secret: str | None) -> bool:
        """To be asked before the body is read; in constant time."""
        return secret is not None and hmac.compare_digest(secret.encode(), self._secret.encode())

    async def receive(self, secret: str | None, body: bytes) -> int:
        """The HTTP status to answer: 503 makes Telegram send the update again."""
        if not self.authentic(secret):
            return 401
        if len(body) > LARGEST_BYTES:
            return 413
        update = self._intake.parse(body)
        if update is None:
            return 200  # anything else and Telegram would send it for a day
        try:
            await self._intake.take(update)
        except LogError as error:
            logger.warning("an update waits for the log", update=update.update_id, error=str(error))
            return 503
        return 200

    async def register(self) -> None:
        """Tells Telegram where to send; what waits there is sent then. Raises TelegramError."""
        await self._client.ask(
            lambda: self._client.bot.set_webhook(
                self._url, secret_token=self._secret, allowed_updates=KINDS, drop_pending_updates=False
            )
        )
