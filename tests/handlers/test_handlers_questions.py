"""What results ask, however that is written down."""

import pytest
from msgspec import Raw

from handlers.calls.questions import asks, makes_task, of_task, read
from portero.errors import RpcError

ASKED = b'{"q":{"method":"roots/list"}}'


@pytest.mark.parametrize(
    "result",
    [
        b'{"resultType":"input_required","inputRequests":%b}' % ASKED,
        b'{ "inputRequests" : %b , "resultType" : "input_required" }' % ASKED,
        b'{"resultType":"input\\u005frequired","inputRequests":%b}' % ASKED,
        b'{"result\\u0054ype":"input\\u005Frequired","input\\u0052equests":%b}' % ASKED,
        b'{"resultType":"complete","resultType":"input_required","inputRequests":%b}' % ASKED,
    ],
)
def test_it_is_read_in_every_spelling(result: bytes) -> None:
    assert asks(result)
    found = read(result)
    assert found is not None
    assert found.goes_on
    assert [question.method for question in found.asked] == ["roots/list"]


@pytest.mark.parametrize(
    "result",
    [
        b"{}",
        b'{"content":[{"type":"text","text":"input_required"}]}',
        b'{"content":[{"type":"text","text":"\\"input_required\\" is a resultType, inputRequests \\u00e9"}]}',
        b'{"structuredContent":{"resultType":"input_required","inputRequests":%b}}' % ASKED,
        b'{"resultType":"complete","inputRequests":7}',
        b'{"resultType":["input_required"],"inputRequests":7}',
        b'{"resultType":null,"inputRequests":%b}' % ASKED,
    ],
)
def test_what_only_speaks_of_it_asks_nothing(result: bytes) -> None:
    assert not asks(result)
    assert read(result) is None


def test_what_cannot_be_read_is_not_taken_for_an_answer() -> None:
    deep = b'{"x":%b,"resultType":"input_required"}' % (b"[" * 50_000 + b"]" * 50_000)
    assert asks(deep)
    with pytest.raises(RpcError, match="cannot be read"):
        read(deep)


def test_no_question_of_a_task_hides_another() -> None:
    inner = b'{"resultType":"input_required","inputRequests":{"q":{"method":"b"}}}'
    members = {"inputRequests": Raw(b'{"q":{"method":"a"}}'), "result": Raw(inner)}
    assert [question.method for question in of_task(members)] == ["a", "b"]


@pytest.mark.parametrize(
    ("result", "does"),
    [
        (b'{"resultType":"task","taskId":"a"}', True),
        (rb'{"resultType":"t\u0061sk","taskId":"a"}', True),
        (rb'{"result\u0054ype":"task","taskId":"a"}', True),
        (b'{"resultType":"complete","content":[{"type":"text","text":"task"}]}', False),
        (b'{"content":["task"]}', False),
        (b'{"resultType":["task"]}', False),
        (b'["task"]', False),
    ],
)
def test_a_task_is_seen_however_it_is_written(result: bytes, *, does: bool) -> None:
    assert makes_task(result) is does
