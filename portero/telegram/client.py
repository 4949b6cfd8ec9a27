"""Telegram as the rest of the bot sees it: send, edit, answer, pin, each at the pace that Telegram allows."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    BotCommand,
    BotCommandScopeChat,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
)
from aiogram.utils.token import TokenValidationError

from portero.errors import ConfigError
from portero.telegram.pace import Pace
from portero.telegram.render import rich
from portero.telegram.render.message import Attachment, Keyboard, Message
from portero.telegram.trouble import TROUBLES, Gone, Moved, NotNow, Refused, TelegramError, trouble

logger = structlog.get_logger("portero.telegram")

REQUEST_SECONDS: Final = 15
ANSWER_UNITS: Final = 200
"""Characters of the answer to a tap. Source: Bot API, answerCallbackQuery."""

_NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)

T = TypeVar("T")


def make_bot(token: str, api_base: str | None) -> Bot:
    """Raises ConfigError for what cannot be a token."""
    api = TelegramAPIServer.from_base(api_base) if api_base else PRODUCTION
    try:
        return Bot(token, session=AiohttpSession(api=api, timeout=REQUEST_SECONDS))
    except TokenValidationError as error:
        raise ConfigError(
            "TELEGRAM_BOT_TOKEN is no bot token: BotFather gives one like 123456:ABC-DEF. Correct or unset it."
        ) from error


class Client:
    """Every method raises NotNow, Refused or Gone, unless it says otherwise.

    ``trouble``: the last one, None once something works again. ``chats``: groups that moved, old id to new.
    """

    def __init__(self, bot: Bot, pace: Pace) -> None:
        self.bot = bot
        self.trouble: TelegramError | None = None
        self.chats: dict[int, int] = {}
        self._pace = pace

    async def send(self, chat: int, message: Message, *, reply_to: int | None = None) -> int:
        """Returns the message's id. The attachment is not sent here: see ``send_file``."""
        text = rich.html(message.text)

        async def ask(chat: int) -> int:
            sent = await self.bot.send_message(
                chat,
                text,
                parse_mode="HTML",
                reply_markup=_markup(message.keyboard),
                reply_parameters=_reply(reply_to),
                disable_notification=message.silent,
                link_preview_options=_NO_PREVIEW,
            )
            return sent.message_id

        return await self._paced(chat, ask)

    async def send_file(self, chat: int, file: Attachment, *, reply_to: int | None = None) -> int:
        """Silently: the card that it belongs to makes the sound."""

        async def ask(chat: int) -> int:
            sent = await self.bot.send_document(
                chat,
                BufferedInputFile(file.content, file.filename),
                caption=rich.html(file.caption) or None,
                parse_mode="HTML",
                reply_parameters=_reply(reply_to),
                disable_notification=True,
                request_timeout=60,
            )
            return sent.message_id

        return await self._paced(chat, ask)

    async def edit(self, chat: int, message_id: int, message: Message) -> None:
        """Also returns when the message looks like that already."""
        text = rich.html(message.text)

        async def ask(chat: int) -> None:
            try:
                await self.bot.edit_message_text(
                    text,
                    chat_id=chat,
                    message_id=message_id,
                    parse_mode="HTML",
                    reply_markup=_markup(message.keyboard),
                    link_preview_options=_NO_PREVIEW,
                )
            except TelegramBadRequest as error:
                if "message is not modified" not in error.message:
                    raise

        await self._paced(chat, ask)

    def has_room(self, chat: int) -> bool:
        """Whether an edit that can wait would delay no message."""
        return self._pace.has_room(self.chats.get(chat, chat))

    async def pin(self, chat: int, message_id: int) -> None:
        async def ask(chat: int) -> None:
            await self.bot.pin_chat_message(chat, message_id, disable_notification=True)

        await self._paced(chat, ask)

    async def answer(self, query: str, text: str = "", *, alert: bool = False) -> None:
        """What the person who tapped sees, for a moment. Raises nothing: the tap has done its work without it."""
        short, _ = rich.cut(text, ANSWER_UNITS)
        try:
            await self.bot.answer_callback_query(query, short or None, show_alert=alert)
        except TROUBLES as error:
            logger.info("a tap was not answered", error=str(trouble(error)))

    async def commands(self, commands: list[BotCommand], chat: int | None = None) -> None:
        """What Telegram offers while a person types, to all or in one chat."""
        scope = BotCommandScopeChat(chat_id=chat) if chat is not None else None
        await self.ask(lambda: self.bot.set_my_commands(commands, scope=scope))

    async def webhook(self, url: str, secret: str, kinds: list[str]) -> None:
        """Tells Telegram where to post updates; those that wait are posted then."""
        await self.ask(
            lambda: self.bot.set_webhook(url, secret_token=secret, allowed_updates=kinds, drop_pending_updates=False)
        )

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Any request, with our errors."""
        try:
            answer = await request()
        except TROUBLES as error:
            self.trouble = trouble(error)
            raise self.trouble from error
        self.trouble = None
        return answer

    async def close(self) -> None:
        await self.bot.session.close()

    async def _paced(self, chat: int, request: Callable[[int], Awaitable[T]]) -> T:
        chat = self.chats.get(chat, chat)
        await self._pace.turn(chat)
        try:
            return await self.ask(lambda: request(chat))
        except Moved as moved:
            new = self.chats[chat] = moved.chat
            logger.warning("the group moved", old=chat, new=new)
            return await self.ask(lambda: request(new))
        except NotNow as later:
            if later.demanded:
                self._pace.hold(chat, later.seconds)
            raise


def _markup(keyboard: Keyboard) -> InlineKeyboardMarkup | None:
    if not keyboard:
        return None
    rows = [[InlineKeyboardButton(text=key.text, callback_data=key.data) for key in row] for row in keyboard]
    return InlineKeyboardMarkup(inline_keyboard=rows)


def _reply(message_id: int | None) -> ReplyParameters | None:
    if message_id is None:
        return None
    return ReplyParameters(message_id=message_id, allow_sending_without_reply=True)


__all__ = ["Client", "Gone", "Moved", "NotNow", "Refused", "TelegramError", "make_bot"]
