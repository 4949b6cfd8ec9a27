"""What passes between upstream and client in the middle of a call: questions, answers, a task instead of waiting."""

from typing import Any

import pytest

from portero.domain.call_dialogue import MAX_QUESTIONS
from portero.domain.commands import (
    Answer,
    Cancel,
    Continue,
    GiveInput,
    GiveTask,
    RequestInput,
    ShowUpstreamTask,
    WithdrawInput,
)
from portero.domain.events import (
    CallCancelled,
    CallContinued,
    InputGiven,
    InputRequested,
    InputWithdrawn,
    TaskGiven,
    UpstreamTaskShown,
)
from portero.domain.ids import CallId, Millis
from portero.domain.values import Status
from portero.errors import AlreadyDecided, Invalid
from tests.domain.stories import ALLOWED, BEN, COMPLETED, EXECUTING, MINUTE, NOW, PENDING, SUCCEEDED, given

UNTIL = Millis(NOW + 10 * MINUTE)
NEXT = CallId("fedcba9876543210")


def asks(key: str) -> RequestInput:
    return RequestInput(key, "elicitation/create", UNTIL, f"blob-{key}", "digest")


def asked(key: str) -> InputRequested:
    return InputRequested(key, "elicitation/create", UNTIL, f"blob-{key}", "digest")


def gives(*keys: str) -> GiveInput:
    return GiveInput(tuple(Answer(key, f"answer-{key}", "digest") for key in keys))


def gave(key: str) -> InputGiven:
    return InputGiven(key, f"answer-{key}", "digest")


@pytest.mark.parametrize("running", [ALLOWED, EXECUTING], ids=["allowed", "approved"])
def test_a_running_call_asks_its_client(running: Any) -> None:
    given(*running).when(asks("q")).then(asked("q"))
    state = given(*running, asked("q"), asked("r")).state
    assert [(question.key, question.blob) for question in state.questions] == [("q", "blob-q"), ("r", "blob-r")]
    assert state.dialogue.asked == 2


@pytest.mark.parametrize("other", [PENDING, COMPLETED], ids=["waiting", "ended"])
def test_no_other_call_does(other: Any) -> None:
    given(*other).when(asks("q")).then_refused(AlreadyDecided)
    given(*other).when(GiveTask()).then_refused(AlreadyDecided)


def test_each_question_is_answered_once() -> None:
    given(*ALLOWED, asked("q"), asked("r")).when(gives("q", "unasked", "r")).then(gave("q"), gave("r"))
    given(*ALLOWED, asked("q"), gave("q")).when(gives("q")).then_nothing()
    given(*ALLOWED).when(gives("q")).then_nothing()
    assert given(*ALLOWED, asked("q"), asked("r"), gave("q")).state.questions[0].key == "r"


def test_what_is_not_waited_for_any_more_is_withdrawn() -> None:
    withdraw = WithdrawInput("q", "nobody answered")
    given(*ALLOWED, asked("q")).when(withdraw).then(InputWithdrawn("q", "nobody answered"))
    given(*ALLOWED, asked("q"), gave("q")).when(withdraw).then_nothing()
    given(*ALLOWED, asked("q"), InputWithdrawn("q", "x")).when(gives("q")).then_nothing()


def test_nothing_is_asked_by_a_call_that_has_ended() -> None:
    assert given(*ALLOWED, asked("q"), SUCCEEDED).state.questions == ()
    given(*ALLOWED, asked("q"), SUCCEEDED).when(gives("q")).then_nothing()
    given(*ALLOWED, asked("q")).when(Cancel(BEN)).then(CallCancelled(BEN))


def test_questions_are_bounded() -> None:
    many = [asked(str(number)) for number in range(MAX_QUESTIONS)]
    given(*ALLOWED, *many).when(asks("q")).then_refused(Invalid)
    given(*ALLOWED, *many, gave("0")).when(asks("q")).then(asked("q"))


def test_a_call_becomes_a_task_once() -> None:
    given(*ALLOWED).when(GiveTask()).then(TaskGiven())
    given(*ALLOWED, TaskGiven()).when(GiveTask()).then_nothing()
    given(*EXECUTING).when(GiveTask()).then_nothing()
    assert not given(*ALLOWED).state.is_task
    assert given(*ALLOWED, TaskGiven(), SUCCEEDED).state.is_task


def test_what_an_upstreams_task_has_come_to_is_said_once() -> None:
    waits, done = UpstreamTaskShown("input_required", "a", 1), UpstreamTaskShown("completed", "b", 2)
    looks = ShowUpstreamTask("completed", "b", 2)
    given(*ALLOWED, SUCCEEDED).when(looks).then(done)
    given(*ALLOWED, SUCCEEDED, waits).when(looks).then(done)
    given(*ALLOWED, SUCCEEDED, waits, done).when(looks).then_nothing()
    assert given(*ALLOWED, SUCCEEDED, waits, done).state.status is Status.COMPLETED


def test_what_ended_with_questions_is_gone_on_with_once() -> None:
    given(*ALLOWED, SUCCEEDED).when(Continue(NEXT)).then(CallContinued(NEXT))
    given(*ALLOWED, SUCCEEDED, CallContinued(NEXT)).when(Continue(NEXT)).then_refused(AlreadyDecided)
    given(*ALLOWED).when(Continue(NEXT)).then_refused(AlreadyDecided)
