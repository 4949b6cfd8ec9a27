"""What a client is asked in the middle of a call, and what it has instead of waiting for one."""

from portero.domain.call_state import Call
from portero.domain.commands import Continue, GiveInput, GiveTask, RequestInput, ShowUpstreamTask, WithdrawInput
from portero.domain.events import (
    CallContinued,
    CallEvent,
    InputGiven,
    InputRequested,
    InputWithdrawn,
    TaskGiven,
    UpstreamTaskShown,
)
from portero.domain.ids import Millis
from portero.domain.values import Status
from portero.errors import AlreadyDecided, Invalid

MAX_QUESTIONS = 32
"""Of one call that wait at once."""

CallEvents = list[CallEvent]


def request_input(state: Call, command: RequestInput, now: Millis, locked: bool) -> CallEvents:
    _require_running(state)
    if len(state.questions) >= MAX_QUESTIONS:
        raise Invalid(f"{MAX_QUESTIONS} questions of this call wait for answers already.")
    return [InputRequested(command.key, command.method, command.until, command.blob, command.digest)]


def give_input(state: Call, command: GiveInput, now: Millis, locked: bool) -> CallEvents:
    """Answers to what is not asked, or not any more, are to be passed over."""
    waiting = {question.key for question in state.questions}
    return [
        InputGiven(answer.key, answer.blob, answer.digest, answer.refused)
        for answer in command.answers
        if answer.key in waiting
    ]


def withdraw_input(state: Call, command: WithdrawInput, now: Millis, locked: bool) -> CallEvents:
    waits = any(question.key == command.key for question in state.questions)
    return [InputWithdrawn(command.key, command.reason)] if waits else []


def give_task(state: Call, command: GiveTask, now: Millis, locked: bool) -> CallEvents:
    """Also to a call that still waits for the replica that runs its server."""
    if state.status is not Status.QUEUED:
        _require_running(state)
    return [] if state.is_task else [TaskGiven()]


def go_on(state: Call, command: Continue, now: Millis, locked: bool) -> CallEvents:
    """Only what has ended with questions is gone on with, and once: who repeats the answers must begin anew."""
    if state.status is not Status.COMPLETED or (state.dialogue is not None and state.dialogue.continued_by):
        raise AlreadyDecided(state.status.value, None, state.ended_at)
    return [CallContinued(command.by)]


def show_upstream_task(state: Call, command: ShowUpstreamTask, now: Millis, locked: bool) -> CallEvents:
    """Whoever looks again and finds nothing new adds nothing to the log."""
    shown = UpstreamTaskShown(command.status, command.digest, command.size)
    return [] if state.dialogue is not None and state.dialogue.shown == shown else [shown]


def _require_running(state: Call) -> None:
    if state.status is not Status.EXECUTING:
        raise AlreadyDecided(state.status.value, None, state.ended_at)
