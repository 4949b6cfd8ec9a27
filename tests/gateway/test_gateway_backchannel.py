"""Answers reach only the question of the client that was asked, and messages only who wants them."""

import asyncio
from typing import Any

import pytest

from handlers.bridging import Bridge
from portero.domain.ids import ClientId
from portero.errors import RpcError
from portero.gateway import wire
from portero.gateway.backchannel import ClientChannel, Questions
from portero.upstream import ServerRequest

ADA, BOB = ClientId("ada"), ClientId("bob")


class Stream:
    def __init__(self) -> None:
        self.pushed: list[wire.Message] = []

    def push(self, message: bytes, *, droppable: bool = False) -> None:
        self.pushed.append(wire.decode(message))


class Reply:
    def __init__(self) -> None:
        self.opened = Stream()

    def stream(self) -> Any:
        return self.opened


def channel(questions: Questions, reply: Any, letters: str = "f", client: ClientId = ADA, level: Any = None) -> Any:
    return ClientChannel(client, reply, questions, letters=letters, capabilities=None, log_level=level)


async def asked(questions: Questions, reply: Reply) -> tuple["asyncio.Task[bytes]", wire.Message]:
    asking = asyncio.create_task(channel(questions, reply).ask("elicitation/create", b'{"message":"Who?"}'))
    await asyncio.sleep(0)
    return asking, reply.opened.pushed[0]


def response(question: wire.Message, **members: Any) -> wire.Message:
    return wire.decode(wire.encode({"jsonrpc": "2.0", "id": question.id, **members}))


async def test_an_answer_counts_only_from_the_client_that_was_asked() -> None:
    questions = Questions()
    asking, question = await asked(questions, Reply())
    assert not questions.answered(BOB, response(question, result={"action": "accept"}))
    assert questions.answered(ADA, response(question, result={"action": "decline"}))
    assert await asking == b'{"action":"decline"}'
    assert not questions.answered(ADA, response(question, result={}))


async def test_a_refusal_reaches_the_server_as_it_was() -> None:
    questions = Questions()
    asking, question = await asked(questions, Reply())
    assert questions.answered(ADA, response(question, error={"code": -1, "message": "no"}))
    with pytest.raises(RpcError, match="no") as refused:
        await asking
    assert refused.value.code == -1


@pytest.mark.parametrize(
    ("method", "params"),
    [("elicitation/create", b'{"mode":"url"}'), ("sampling/createMessage", b"{}"), ("tools/list", b"{}")],
)
async def test_nobody_is_asked_what_was_not_declared(method: str, params: bytes) -> None:
    with pytest.raises(RpcError, match="cannot be asked"):
        await channel(Questions(), Reply()).ask(method, params)


def test_messages_below_the_wanted_level_are_kept_back() -> None:
    reply = Reply()
    one = channel(Questions(), reply, level="warning")
    for level in ("debug", "warning", "alert", "nonsense"):
        one.tell("notifications/message", wire.encode({"level": level, "data": level}))
    channel(Questions(), reply).tell("notifications/message", b'{"level":"alert"}')
    assert [wire.decode_value(message.params, "params")["data"] for message in reply.opened.pushed] == [
        "warning",
        "alert",
    ]


async def test_a_question_between_two_clients_goes_to_neither(house: Any) -> None:
    questions = Questions()
    contexts = (channel(questions, Reply()), channel(questions, Reply(), client=BOB))
    with pytest.raises(RpcError, match="no one client"):
        await Bridge(house.core).asked(ServerRequest("u", "elicitation/create", b"{}", contexts))
