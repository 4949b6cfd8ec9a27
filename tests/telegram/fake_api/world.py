"""What Telegram knows: people, chats, messages, and updates that wait for the bot."""

import asyncio
import copy
import time
from typing import Any

import attrs

from tests.telegram.fake_api.errors import ApiError, bad_request, forbidden

BOT = {"id": 7000001, "is_bot": True, "first_name": "Portero", "username": "portero_bot"}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}


@attrs.define
class Message:
    """``log``: every text it ever had, oldest first."""

    chat: int
    id: int
    sender: dict[str, Any]
    text: str
    entities: list[dict[str, Any]]
    at: int
    keyboard: list[list[dict[str, Any]]] = attrs.field(factory=list)
    document: bytes | None = None
    filename: str | None = None
    reply_to: int | None = None
    silent: bool = False
    sender_chat: int | None = None
    log: list[str] = attrs.field(factory=list)
    deleted: bool = False

    def button(self, label: str) -> str:
        """The callback data of the first button whose text holds ``label``."""
        for row in self.keyboard:
            for button in row:
                if label in button["text"]:
                    return str(button["callback_data"])
        raise AssertionError(f"no button {label!r} among {self.labels()}")

    def labels(self) -> list[str]:
        return [button["text"] for row in self.keyboard for button in row]


@attrs.define
class Chat:
    id: int
    kind: str
    title: str
    members: set[int] = attrs.field(factory=set)
    messages: dict[int, Message] = attrs.field(factory=dict)
    pinned: list[int] = attrs.field(factory=list)
    broken: ApiError | None = None
    """What every message to it meets, such as a 403 after the bot was blocked."""
    next_message: int = 1

    def as_json(self) -> dict[str, Any]:
        named = {"first_name": self.title} if self.kind == "private" else {"title": self.title}
        return {"id": self.id, "type": self.kind, **named}


class World:
    def __init__(self) -> None:
        self.people: dict[int, dict[str, Any]] = {}
        self.chats: dict[int, Chat] = {}
        self.updates: list[dict[str, Any]] = []
        self.queries: dict[str, dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.commands: dict[str, list[dict[str, str]]] = {}
        self.changed = asyncio.Event()
        self._next_update = 100_000
        self._next_query = 1

    # --- people and chats -------------------------------------------------------------------------------------------

    def person(self, user: int, name: str = "Ana", *, started: bool = True) -> "Person":
        """Someone with a private chat; ``started`` False: they never wrote to the bot, so it must not write to them."""
        self.people[user] = {"id": user, "is_bot": False, "first_name": name}
        if user not in self.chats:
            self.chats[user] = Chat(user, "private", name, {user})
        if not started:
            self.chats[user].broken = forbidden("bot can't initiate conversation with a user")
        return Person(self, user)

    def group(self, chat: int, *members: int) -> Chat:
        self.chats[chat] = Chat(chat, "supergroup", "Team", set(members))
        return self.chats[chat]

    def chat(self, chat: int) -> Chat:
        if chat not in self.chats:
            raise bad_request("chat not found")
        found = self.chats[chat]
        if found.broken is not None:
            raise found.broken
        return found

    # --- messages ---------------------------------------------------------------------------------------------------

    def post(
        self, chat: Chat, sender: dict[str, Any], text: str, entities: list[dict[str, Any]], **more: Any
    ) -> Message:
        message = Message(chat.id, chat.next_message, sender, text, entities, int(time.time()), log=[text], **more)
        chat.next_message += 1
        chat.messages[message.id] = message
        self.touch()
        return message

    def as_json(self, message: Message, *, deep: bool = True) -> dict[str, Any]:
        value: dict[str, Any] = {
            "message_id": message.id,
            "date": message.at,
            "chat": self.chats[message.chat].as_json(),
            "from": message.sender,
        }
        if message.document is None:
            value |= {"text": message.text, "entities": message.entities}
        else:
            document = {"file_id": f"f{message.id}", "file_unique_id": f"u{message.id}", "file_name": message.filename}
            value |= {"document": document, "caption": message.text}
        if message.keyboard:
            value["reply_markup"] = {"inline_keyboard": message.keyboard}
        if message.sender_chat is not None:
            value["sender_chat"] = self.chats[message.sender_chat].as_json()
        replied = self.chats[message.chat].messages.get(message.reply_to or 0)
        if replied is not None and deep:
            value["reply_to_message"] = self.as_json(replied, deep=False)
        return copy.deepcopy(value)

    def of_bot(self, chat: int) -> list[Message]:
        """The bot's messages in a chat, oldest first."""
        return [m for m in self.chats[chat].messages.values() if m.sender["id"] == BOT["id"] and not m.deleted]

    # --- updates ----------------------------------------------------------------------------------------------------

    def update(self, kind: str, value: dict[str, Any]) -> int:
        self._next_update += 1
        self.updates.append({"update_id": self._next_update, kind: value})
        self.touch()
        return self._next_update

    def query(self, user: int, message: Message, data: str) -> str:
        identity = f"q{self._next_query}"
        self._next_query += 1
        value = {
            "id": identity,
            "from": self.people[user],
            "chat_instance": "1",
            "message": self.as_json(message),
            "data": data,
        }
        self.queries[identity] = value
        self.update("callback_query", value)
        return identity

    def touch(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


@attrs.frozen
class Person:
    """Someone who taps and types."""

    world: World
    id: int

    def says(
        self, text: str, *, chat: int | None = None, reply_to: Message | None = None, anonymous: bool = False
    ) -> Message:
        where = self.world.chats[chat if chat is not None else self.id]
        sender = ANONYMOUS if anonymous else self.world.people[self.id]
        entities = []
        if text.startswith("/"):
            entities = [{"type": "bot_command", "offset": 0, "length": len(text.partition(" ")[0])}]
        message = self.world.post(
            where,
            sender,
            text,
            entities,
            reply_to=reply_to.id if reply_to else None,
            sender_chat=where.id if anonymous else None,
        )
        self.world.update("message", self.world.as_json(message))
        return message

    def taps(self, message: Message, label: str) -> str:
        """Taps the button that says ``label``; returns the query's id."""
        return self.world.query(self.id, message, message.button(label))

    def sends_data(self, message: Message, data: str) -> str:
        """What a changed client can do: any data, from any message."""
        return self.world.query(self.id, message, data)
