"""Clients that stop reading an event stream: what waits for them is bounded, and what matters is not dropped."""

import asyncio
from typing import Any

from portero.gateway.exchange import reply
from portero.gateway.exchange.reply import EventStream

LARGE = b'"%b"' % (b"x" * 1_000_000)


class Reader:
    """The client's side of a connection: takes what is sent only while it reads."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[bytes] = []

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.got.append(message.get("body", b""))


async def test_what_waits_is_bounded_in_bytes_and_the_newest_and_the_answer_arrive() -> None:
    reader = Reader()
    stream = EventStream(reader.send, 60.0)
    stream.push(b'"a question"')
    for number in range(50):
        stream.push(b'"note %d"' % number + LARGE, droppable=True)
    reader.reads.set()
    await stream.end(b'"the answer"')
    body = b"".join(reader.got)
    assert len(body) < reply.MAX_WAITING_BYTES + 1_000
    assert b"a question" in body
    assert b"note 49" in body
    assert b"note 0" not in body
    assert b"the answer" in body


async def test_what_waits_is_bounded_in_number_too() -> None:
    reader = Reader()
    stream = EventStream(reader.send, 60.0)
    for number in range(1_000):
        stream.push(b"%d" % number, droppable=True)
    reader.reads.set()
    await stream.end(b'"the answer"')
    assert b"".join(reader.got).count(b"data: ") <= reply.MAX_WAITING + 1


async def test_one_message_larger_than_all_that_may_wait_goes_through() -> None:
    reader = Reader()
    stream = EventStream(reader.send, 60.0)
    stream.push(b'"%b"' % (b"x" * (reply.MAX_WAITING_BYTES + 1)), droppable=True)
    reader.reads.set()
    await stream.end(b'"the answer"')
    assert len(b"".join(reader.got)) > reply.MAX_WAITING_BYTES
