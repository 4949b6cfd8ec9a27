"""The methods of the Bot API that Portero uses, each as strict as the real one."""

import json
import time
from collections.abc import Callable
from typing import Any

import attrs

from tests.telegram.fake_api import checks
from tests.telegram.fake_api.errors import bad_request
from tests.telegram.fake_api.world import BOT, Chat, Message, World

QUERY_SECONDS = 30


@attrs.frozen
class Upload:
    filename: str
    content: bytes


Parameters = dict[str, Any]
"""Texts as they came in the form; an Upload for a file."""


@attrs.define
class Methods:
    world: World
    webhook: dict[str, Any] | None = None
    answered: set[str] = attrs.field(factory=set)

    def call(self, name: str, parameters: Parameters) -> Any:
        method = METHODS.get(name)
        if method is None:
            raise bad_request(f"strict: {name} is not among the methods used here")
        function, known = method
        given = {key for key, value in parameters.items() if not isinstance(value, Upload)}
        if unknown := given - known:
            raise bad_request(f"strict: {name} has no parameter {sorted(unknown)}")
        return function(self, parameters)

    # --- messages ---------------------------------------------------------------------------------------------------

    def get_me(self, _given: Parameters) -> Any:
        return {**BOT, "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}

    def send_message(self, given: Parameters) -> Any:
        chat = self.world.chat(_integer(given, "chat_id"))
        text, entities = checks.formatted(
            given.get("text"), given.get("parse_mode"), checks.MESSAGE_UNITS, empty="message text is empty"
        )
        keys = checks.keyboard(given.get("reply_markup"))
        message = self.world.post(
            chat, BOT, text, entities, keyboard=keys, reply_to=self._replied(chat, given), silent=_flag(given)
        )
        return self.world.as_json(message)

    def send_document(self, given: Parameters) -> Any:
        chat = self.world.chat(_integer(given, "chat_id"))
        upload = given.get(str(given.get("document", "")).removeprefix("attach://"))
        if not isinstance(upload, Upload):
            raise bad_request("there is no document in the request")
        if not upload.content:
            raise bad_request("file must be non-empty")
        if len(upload.content) > checks.FILE_BYTES:
            raise bad_request("file is too big")
        caption, entities = "", []
        if given.get("caption"):
            caption, entities = checks.formatted(
                given["caption"], given.get("parse_mode"), checks.CAPTION_UNITS, empty="caption is empty"
            )
        message = self.world.post(
            chat,
            BOT,
            caption,
            entities,
            document=upload.content,
            filename=upload.filename,
            reply_to=self._replied(chat, given),
            silent=_flag(given),
        )
        return self.world.as_json(message)

    def edit_message_text(self, given: Parameters) -> Any:
        message = self._own(given, "message to edit not found", "message can't be edited")
        text, entities = checks.formatted(
            given.get("text"), given.get("parse_mode"), checks.MESSAGE_UNITS, empty="message text is empty"
        )
        keys = checks.keyboard(given.get("reply_markup"))
        if (text, entities, keys) == (message.text, message.entities, message.keyboard):
            raise bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
        message.text, message.entities, message.keyboard = text, entities, keys
        message.log.append(text)
        self.world.touch()
        return self.world.as_json(message)

    def delete_message(self, given: Parameters) -> Any:
        message = self._own(given, "message to delete not found", "message can't be deleted")
        message.deleted = True
        return True

    def pin_chat_message(self, given: Parameters) -> Any:
        message = self._own(given, "message to pin not found", None)
        pinned = self.world.chats[message.chat].pinned
        if message.id not in pinned:
            pinned.append(message.id)
            said = self.world.post(self.world.chats[message.chat], BOT, "", [])
            service = {key: value for key, value in self.world.as_json(said).items() if key not in ("text", "entities")}
            self.world.update("message", {**service, "pinned_message": self.world.as_json(message, deep=False)})
            del self.world.chats[message.chat].messages[said.id]
        self.world.touch()
        return True

    def unpin_chat_message(self, given: Parameters) -> Any:
        message = self._own(given, "message to unpin not found", None)
        pinned = self.world.chats[message.chat].pinned
        if message.id not in pinned:
            raise bad_request("message to unpin not found")
        pinned.remove(message.id)
        return True

    def answer_callback_query(self, given: Parameters) -> Any:
        identity = str(given.get("callback_query_id"))
        query = self.world.queries.get(identity)
        too_old = (
            query is None or identity in self.answered or query.get("asked", time.time()) < time.time() - QUERY_SECONDS
        )
        if too_old:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        if checks.units(given.get("text", "")) > 200:
            raise bad_request("MESSAGE_TOO_LONG")
        self.answered.add(identity)
        alert = given.get("show_alert", "false").lower() == "true"
        self.world.answers.append({"query": identity, "text": given.get("text", ""), "alert": alert})
        self.world.touch()
        return True

    def set_my_commands(self, given: Parameters) -> Any:
        scope = json.dumps(json.loads(given.get("scope", '{"type":"default"}')), sort_keys=True)
        self.world.commands[scope] = checks.commands(given["commands"])
        self.world.touch()
        return True

    def _own(self, given: Parameters, missing: str, foreign: str | None) -> Message:
        chat = self.world.chat(_integer(given, "chat_id"))
        message = chat.messages.get(_integer(given, "message_id"))
        if message is None or message.deleted:
            raise bad_request(missing)
        if foreign is not None and message.sender["id"] != BOT["id"]:
            raise bad_request(foreign)
        return message

    def _replied(self, chat: Chat, given: Parameters) -> int | None:
        if "reply_parameters" not in given:
            return None
        reply = json.loads(given["reply_parameters"])
        message = chat.messages.get(reply["message_id"])
        if message is None or message.deleted:
            if reply.get("allow_sending_without_reply"):
                return None
            raise bad_request("message to be replied not found")
        return message.id

    # --- webhook ----------------------------------------------------------------------------------------------------

    def set_webhook(self, given: Parameters) -> Any:
        if given.get("drop_pending_updates", "false").lower() == "true":
            raise bad_request("strict: updates must never be dropped")
        secret = given.get("secret_token")
        if secret is not None and not (1 <= len(secret) <= 256 and all(c.isalnum() or c in "_-" for c in secret)):
            raise bad_request("secret token contains unallowed characters")
        self.webhook = {"url": given["url"], "secret": secret} if given.get("url") else None
        self.world.touch()
        return True

    def delete_webhook(self, given: Parameters) -> Any:
        if given.get("drop_pending_updates", "false").lower() == "true":
            raise bad_request("strict: updates must never be dropped")
        self.webhook = None
        self.world.touch()
        return True

    def get_webhook_info(self, _given: Parameters) -> Any:
        url = self.webhook["url"] if self.webhook else ""
        return {"url": url, "has_custom_certificate": False, "pending_update_count": len(self.world.updates)}


def _integer(given: Parameters, name: str) -> int:
    try:
        return int(given[name])
    except (KeyError, ValueError) as wrong:
        raise bad_request(f"{name} is empty or wrong") from wrong


def _flag(given: Parameters) -> bool:
    return str(given.get("disable_notification", "false")).lower() == "true"


_SENDING = {"chat_id", "parse_mode", "reply_markup", "reply_parameters", "disable_notification"}
_PREVIEW = {"link_preview_options"}

METHODS: dict[str, tuple[Callable[[Methods, Parameters], Any], set[str]]] = {
    "getMe": (Methods.get_me, set()),
    "sendMessage": (Methods.send_message, {*_SENDING, *_PREVIEW, "text"}),
    "sendDocument": (Methods.send_document, {*_SENDING, "document", "caption"}),
    "editMessageText": (
        Methods.edit_message_text,
        {"chat_id", "message_id", "text", "parse_mode", "reply_markup", *_PREVIEW},
    ),
    "deleteMessage": (Methods.delete_message, {"chat_id", "message_id"}),
    "pinChatMessage": (Methods.pin_chat_message, {"chat_id", "message_id", "disable_notification"}),
    "unpinChatMessage": (Methods.unpin_chat_message, {"chat_id", "message_id"}),
    "answerCallbackQuery": (Methods.answer_callback_query, {"callback_query_id", "text", "show_alert", "cache_time"}),
    "setMyCommands": (Methods.set_my_commands, {"commands", "scope", "language_code"}),
    "setWebhook": (
        Methods.set_webhook,
        {"url", "secret_token", "allowed_updates", "max_connections", "drop_pending_updates"},
    ),
    "deleteWebhook": (Methods.delete_webhook, {"drop_pending_updates"}),
    "getWebhookInfo": (Methods.get_webhook_info, set()),
}
