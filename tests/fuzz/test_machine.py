"""A life of one gateway: proper use and improper use in any order, and what must be so after each step."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from tests.fuzz.almost import TASKS, Headers, proper, rendered
from tests.fuzz.effort import effort, once_more
from tests.fuzz.exchanges import exchanges, head, length
from tests.fuzz.raw_http import Connection, Exchange, Response
from tests.fuzz.victim import Victim, judged
from tests.system.place import document, wait_until

STREAMS = 3
ERAS = st.booleans()


class Life(RuleBasedStateMachine):
    """``state`` of a task: asked, cancelled or done, as this machine has made it."""

    victim: Victim
    tasks = Bundle("tasks")
    sessions = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, str] = {}
        self.open: list[Connection] = []
        self.approved = False
        self.victim.effects()

    # --- improper use -----------------------------------------------------------------------------------------------

    @rule(exchange=exchanges())
    def sends_something(self, exchange: Exchange) -> None:
        self.victim.judge(self.victim.exchange(exchange))

    @rule(data=st.binary(max_size=200))
    def sends_anything(self, data: bytes) -> None:
        self.victim.judge(self.victim.exchange(Exchange([data], 0)))

    @rule(number=st.integers(1, 30))
    def only_connects(self, number: int) -> None:
        for connection in [self.victim.connect() for _ in range(number)]:
            connection.close()

    # --- proper use -------------------------------------------------------------------------------------------------

    @rule(modern=ERAS, text=st.text(max_size=10))
    def calls(self, modern: bool, text: str) -> None:
        response = self.request("tools/call", {"name": "fx/do", "arguments": {"text": text}}, modern=modern)
        assert len(judged(response)) == 1
        self.victim.judge([response])

    @rule(modern=ERAS, name=st.sampled_from(["fx/forbidden", "fx/*", "fx/do ", "FX/do"]))
    def calls_what_is_not_let_through(self, modern: bool, name: str) -> None:
        response = self.request("tools/call", {"name": name, "arguments": {}}, modern=modern)
        message = only(response)
        assert "error" in message or message["result"]["isError"] is True
        self.victim.judge([response])

    @rule(target=tasks, how=st.sampled_from(["plain", "modern", "task"]))
    def asks(self, how: str) -> str:
        params = {"name": "fx/danger", "arguments": {"text": how}}
        capabilities = TASKS if how == "task" else {}
        response = self.request("tools/call", params, modern=how != "plain", capabilities=capabilities)
        self.victim.judge([response])
        told = only(response)
        task = str(told["result"]["taskId"] if how == "task" else document(told)["task_id"])
        self.state[task] = "asked"
        return task

    @rule(task=tasks)
    def looks_after_a_task(self, task: str) -> None:
        status = only(self.request("tasks/get", {"taskId": task}, modern=True, capabilities=TASKS))["result"]["status"]
        assert status == {"asked": "working", "cancelled": "cancelled", "done": "completed"}[self.state[task]]

    @rule(task=tasks)
    def cancels_a_task(self, task: str) -> None:
        self.victim.judge([self.request("tasks/cancel", {"taskId": task}, modern=True, capabilities=TASKS)])
        if self.state[task] == "asked":
            self.state[task] = "cancelled"

    @precondition(lambda self: not self.approved)  # the command takes a second
    @rule(task=tasks)
    def a_person_approves(self, task: str) -> None:
        self.approved = True
        code = self.victim.place.command("approve", task.split("-", maxsplit=1)[0]).returncode
        assert code == (0 if self.state[task] == "asked" else 3)
        if self.state[task] == "asked":
            self.state[task] = "done"
            wait_until(lambda: self.victim.place.clients[0].task(task)["status"] == "completed", "it has run")
            (effect,) = self.victim.effects()
            assert effect.endswith("tools/call danger")

    # --- sessions and streams ---------------------------------------------------------------------------------------

    @rule(target=sessions)
    def begins_a_session(self) -> bytes:
        params = {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "f"}}
        return self.request("initialize", params, modern=False).headers["mcp-session-id"].encode()

    @rule(session=consumes(sessions))
    def ends_a_session(self, session: bytes) -> None:
        for status in (204, 404):
            response = self.send(b"DELETE /mcp HTTP/1.1", b"", [*base(), (b"mcp-session-id", session)])
            assert response.status == status
        response = self.request("ping", {}, modern=False, headers=[(b"mcp-session-id", session)])
        assert response.status == 404

    @precondition(lambda self: len(self.open) < STREAMS)
    @rule(session=sessions)
    def follows_a_session(self, session: bytes) -> None:
        self.follow(b"GET /mcp HTTP/1.1", b"", [*base(), (b"mcp-session-id", session)])

    @precondition(lambda self: len(self.open) < STREAMS)
    @rule()
    def listens(self) -> None:
        message, headers = proper("subscriptions/listen", {"notifications": {}}, modern=True, capabilities={})
        self.follow(b"POST /mcp HTTP/1.1", rendered(message), headers)

    @precondition(lambda self: bool(self.open))
    @rule()
    def leaves_a_stream(self) -> None:
        self.open.pop().close()

    # --- always -----------------------------------------------------------------------------------------------------

    @invariant()
    def it_lives(self) -> None:
        once_more("steps of a life")
        self.victim.lives()

    def teardown(self) -> None:
        for connection in self.open:
            connection.close()
        assert self.victim.effects() == []

    # --- how --------------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        modern: bool,
        capabilities: Any = None,
        headers: Headers | None = None,
    ) -> Response:
        message, own = proper(method, params, modern=modern, capabilities=capabilities or {})
        return self.send(b"POST /mcp HTTP/1.1", rendered(message), [*own, *(headers or [])])

    def send(self, line: bytes, body: bytes, headers: Headers) -> Response:
        with self.victim.connect() as connection:
            connection.send(head(line, [*headers, length(body)]) + body)
            response = connection.response()
        assert response is not None
        return response

    def follow(self, line: bytes, body: bytes, headers: Headers) -> None:
        connection = self.victim.connect()
        self.open.append(connection)
        connection.send(head(line, [*headers, length(body)]) + body)
        begun = connection.head()
        assert begun is not None
        assert (begun[0], begun[1]["content-type"]) == (200, "text/event-stream")


def base() -> Headers:
    return [*proper("ping", {}, modern=False, capabilities={})[1]]


def only(response: Response) -> Any:
    """The one message, decoded; a stream's last."""
    *_, message = response.messages
    return json.loads(json.dumps(message))


def test_a_life(victim: Victim) -> None:
    Life.victim = victim
    run(Life, settings=effort(8, stateful_step_count=25))
