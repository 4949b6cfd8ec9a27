"""What must hold for any bytes that are posted to the webhook, once the secret is right."""

import asyncio
from typing import Any

from tests.fuzz.target import target

LOOP = asyncio.new_event_loop()


@target(
    '{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"},"text":"/start"}}',
    '{"update_id":2,"callback_query":{"id":"1","from":{"id":1,"is_bot":false,"first_name":"A"},"chat_instance":"1","data":"x"}}',
    '{"update_id":3,"message":{"message_id":1,"date":99999999999999,"chat":{"id":1,"type":"private"}}}',
    '{"update_id":4,"message":{"message_id":1,"date":1e400,"chat":{"id":1,"type":"private"}}}',
    '{"update_id":5,"message":{"message_id":1,"date":1,"chat":7,"reply_to_message":{"message_id":[]}}}',
    '{"update_id":"\\ud800"}',
    '{"update_id":' + "9" * 5000 + "}",
    '{"update_id":6,"message":{"a":' + "[" * 900 + "]" * 900 + "}}",
    "[]",
    "null",
    b"\xff",
)
def update(data: bytes) -> None:
    """An update is taken or passed over; Telegram is never told to send it again."""
    # Imported here: aiogram takes seconds, and what it reads is read by compiled code that no coverage guides through.
    from portero.telegram.intake import Intake

    class Alone(Intake):
        def __init__(self) -> None:
            self._bot: Any = None

        async def take(self, update: Any) -> None:
            assert isinstance(update.update_id, int)

    assert LOOP.run_until_complete(Alone().receive(data)) == 200
