"""pending, tasks, show, logs, status: what is there, for people and for programs."""

import asyncio
import json
import re
import signal
import time

from handlers.calls.kept import BLOB_BYTES
from portero.cli.commands.logs import _follow
from portero.cli.output import Output
from portero.cli.place import Place
from portero.cli.session import open_session
from portero.domain.events import CatalogueTool
from portero.domain.ids import CallId
from portero.domain.values import Action, Kind, ToolFacts
from portero.gateway.calls.tasks import Tasks
from portero.settings import Secret
from projections import View
from tests.cli.home import Home, Scribe


def test_pending_lists_what_waits_oldest_first(home: Home) -> None:
    first, second = home.ask(arguments='{"n":1}'), home.ask(arguments='{"n":2}')
    done = home.ask()
    home.run("approve", done)
    lines = home.run("pending").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [first, second]
    assert '{"n": 1}' in lines[0]
    listed = home.run("pending", "--json").json
    assert listed["count"] == 2
    assert listed["tasks"][0]["argumentsText"] == '{"n":1}'
    assert listed["tasks"][0]["policy"] == {"tier": "config-default"}
    assert listed["tasks"][0]["expiresAt"] > listed["tasks"][0]["createdAt"]


def test_on_a_terminal_it_says_what_to_type_next(home: Home) -> None:
    assert home.on_terminal("pending").strip() == "Nothing waits for a decision."
    call = home.ask()
    seen = home.on_terminal("pending")
    assert "Task" in seen
    assert f"portero approve | reject {call}" in seen
    assert "in 59 min" in seen


def test_into_a_pipe_there_is_nothing_to_parse_around(home: Home) -> None:
    assert home.run("pending").out == ""
    assert home.run("tasks").out == ""


def test_a_task_has_the_fields_that_clients_know(home: Home) -> None:
    """The same names and values as ``portero/list_tasks`` has, plus the client."""
    call = home.ask()
    home.run("approve", call)
    [shown] = home.run("tasks", "--json").json["tasks"]

    async def as_clients_see_it(scribe: Scribe) -> dict[str, object]:
        view = View()
        async for batch in scribe.log.read():
            view.apply(batch)
        state = view.calls.get(call)
        assert state is not None
        return Tasks.row(Tasks.__new__(Tasks), state)

    assert shown == home.on_log(as_clients_see_it) | {"client": "default"}


def test_tasks_are_filtered(home: Home) -> None:
    waiting = home.ask(client="alice")
    rejected = home.ask(client="bob")
    home.run("reject", rejected)

    def ids(*arguments: str) -> list[str]:
        return [line.split("\t")[0] for line in home.run("tasks", *arguments).out.splitlines()]

    assert ids() == [rejected, waiting]
    assert ids("--limit", "1") == [rejected]
    assert ids("--client", "alice") == [waiting]
    assert ids("--status", "denied") == [rejected]


def test_show_tells_the_whole_story(home: Home) -> None:
    call = home.ask(title="Send a mail")
    home.run("reject", call, "--reason", "wrong address")
    seen = home.on_terminal("show", call)
    for expected in (
        "office/send_mail (Send a mail)",
        "denied: refused",
        "require-approval, by policies.json, defaultPolicy",
        "destructive (nobody has checked that)",
        "wrong address",
        '"to": "jane@example.com"',
        "rejected",
    ):
        assert expected in seen
    history = home.run("show", call, "--json").json["history"]
    assert [step["type"] for step in history] == [
        "ToolCallRequested",
        "PolicyDecided",
        "ApprovalRequested",
        "CallDenied",
    ]


def test_show_gives_what_is_sent_beside_the_arguments_whole_wherever_it_is_kept(home: Home) -> None:
    large = json.dumps({"inputResponses": {"who": "x" * BLOB_BYTES}})
    for extra in ('{"requestState":"r"}', large):
        call = home.ask(extra=extra)
        assert home.run("show", call, "--json").json["extraText"] == extra
        seen = home.run("show", call).out
        assert "Also sent" in seen
        assert f"{len(extra)} bytes beside them" in seen
    home.on_log(lambda scribe: scribe.log.keep(f"{call}.extra", b"{}", 3_600))  # its place has gone to something else
    assert home.run("show", call, "--json").json["extraText"] == '"(no longer kept)"'
    assert re.search(r"Also sent\n +\"\(no longer kept\)\"", home.run("show", call).out)
    assert "extraText" not in home.run("show", home.ask(), "--json").json


def seed_log(home: Home) -> tuple[CallId, CallId]:
    async def seed(scribe: Scribe) -> tuple[CallId, CallId]:
        return await scribe.ask("mail/send", client="alice"), await scribe.ask(
            "disk/wipe", client="bob", action=Action.DENY
        )

    asked, denied = home.on_log(seed)
    home.run("approve", asked)
    home.run("allow", "mail/*")
    return asked, denied


def test_logs_say_who_did_what_oldest_first(home: Home) -> None:
    asked, denied = seed_log(home)
    rows = [line.split("\t") for line in home.run("logs").out.splitlines()]
    assert [(row[1], row[2]) for row in rows] == [
        ("asks", "mail/send"),
        ("denied", "disk/wipe"),
        ("approved", "mail/send"),
        ("rule set: allow", "mail/*"),
    ]
    assert [row[5] for row in rows] == [asked, denied, asked, ""]
    assert "(command line)" in rows[2][3]


def test_logs_are_filtered(home: Home) -> None:
    asked, _ = seed_log(home)

    def types(*arguments: str) -> list[str]:
        return [json_line["type"] for json_line in map(_json, home.run("logs", "--json", *arguments).out.splitlines())]

    assert types("--client", "bob") == ["PolicyDecided"]
    assert types("--tool", "mail/*") == ["ApprovalRequested", "CallApproved"]
    assert types("--task", asked[:8]) == ["ApprovalRequested", "CallApproved"]
    assert types("--type", "RuleSet", "--type", "CallApproved") == ["CallApproved", "RuleSet"]
    assert types("--by", "command line") == ["CallApproved", "RuleSet"]
    assert types("--since", "1h", "--limit", "2") == ["CallApproved", "RuleSet"]
    assert types("--errors") == []


def _json(line: str) -> dict[str, str]:
    import json

    found: dict[str, str] = json.loads(line)
    return found


def test_a_call_that_waits_for_its_client_says_so_and_what_it_asks(home: Home) -> None:
    call = home.on_log(lambda scribe: scribe.wonder("mail/send", '{"message":"Delete all mail of\\nJane Doe?"}'))
    shown = home.run("show", call).out
    assert "executing: waits for its client to answer (elicitation/create)" in shown
    assert "running" not in shown
    asks = shown.split("Asks its client: elicitation/create\n")[1].split("\n\n")[0]
    assert json.loads(asks) == {"message": "Delete all mail of\nJane Doe?"}
    assert home.run("show", call, "--json").json["asksItsClient"] == ["elicitation/create"]
    (row,) = [line.split("\t") for line in home.run("logs").out.splitlines()]
    assert row[1:3] + row[4:] == ["asks the client", "mail/send", "elicitation/create", call]


def test_the_list_of_tasks_says_whose_turn_it_is(home: Home) -> None:
    question = '{"message":"Delete all?"}'
    call = home.on_log(lambda scribe: scribe.wonder("mail/send", question, action=Action.ASK))
    (line,) = [line for line in home.on_terminal("tasks").splitlines() if call in line]
    assert "executing, waits for its client" in line
    assert home.run("tasks").out.splitlines()[-1].split("\t")[3] == "executing", "programs find the status alone"


def test_a_result_that_asks_back_is_not_taken_for_the_end(home: Home) -> None:
    call = home.on_log(lambda scribe: scribe.ask_back("mail/send"))
    shown = home.run("show", call).out
    assert "completed: asks its client for more; nothing came of it yet" in shown
    assert "done" not in shown
    (row,) = [line.split("\t") for line in home.run("logs").out.splitlines()]
    assert row[1] == "ran"
    assert "asks its client for more" in row[4]
    home.on_log(lambda scribe: scribe.go_on(call, CallId("0123456789abcdef")))
    shown = home.run("show", call).out
    assert "asked its client for more; went on as task 0123456789abcdef" in shown
    assert "as task 0123456789abcdef" in shown.split("went on ")[-1]


def test_follow_goes_on_until_interrupted(home: Home) -> None:
    home.ask(tool="mail/first")
    following = home.start("logs", "--follow")
    assert following.stdout is not None
    assert "mail/first" in following.stdout.readline()
    home.ask(tool="mail/second")
    started = time.monotonic()
    assert "mail/second" in following.stdout.readline()
    assert time.monotonic() - started < 5
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=10)
    assert following.returncode == 130
    assert errors.strip() == ""


async def test_an_interruption_ends_following_in_whatever_moment_it_comes(home: Home) -> None:
    assert home.place is not None
    loop = asyncio.get_running_loop()
    async with open_session(Place(Secret(home.place.url), home.folder, home.place.name, "always")) as session:
        for turns in range(5):  # of the loop, after an event has come
            following = asyncio.create_task(_follow(session, Output(as_json=True, terminal=False), lambda _: False))
            interrupted = asyncio.Event()

            def interrupt(left: int, task: "asyncio.Task[None]" = following, now: asyncio.Event = interrupted) -> None:
                if left:
                    loop.call_soon(interrupt, left - 1)
                else:
                    task.cancel()
                    now.set()

            await asyncio.sleep(0.01)
            end = session.view.subscribe(lambda _, turns=turns, interrupt=interrupt: interrupt(turns))  # type: ignore[misc] # bound now
            await session.decisions.set_rule("a/*", Action.DENY, session.by)
            async with asyncio.timeout(10):
                await interrupted.wait()
                await asyncio.wait([following])
            end()
            assert following.cancelled()


def test_what_is_said_to_a_task_of_a_server_is_shown_as_that(home: Home) -> None:
    call = home.ask(kind=Kind.TASK_UPDATE)
    seen = home.run("show", call).out
    assert "It is\tanswers to its task" in seen
    assert re.search(r"requested .* bytes of arguments, answers to its task", seen)


def test_grants_and_rules_say_what_they_cover(home: Home) -> None:
    tools = [CatalogueTool("read", ToolFacts(read_only=True)), CatalogueTool("wipe", ToolFacts(destructive=True))]
    home.on_log(lambda scribe: scribe.offer("disk", *tools))
    granted = home.run("grant", "disk/*", "30m", "5")
    assert "for 30 min, at most 5 times" in granted.out
    assert "It covers 2 known tools: disk/read, disk/wipe." in granted.out
    assert "Destructive by their own account: disk/wipe." in granted.out
    assert "No tool that is known now matches it." in home.run("allow", "disc/*").out
    rows = [line.split("\t") for line in home.run("rules").out.splitlines()]
    assert [(row[1], row[2]) for row in rows] == [("allow", "disc/*"), ("grant", "disk/*")]
    assert rows[1][3].endswith(", 5 uses")


def test_grants_end_one_by_one_or_all_at_once(home: Home) -> None:
    first = home.run("grant", "a/*", "1h", "--json").json["grant_id"]
    home.run("grant", "b/*", "1h", "--client", "alice")
    home.run("grant", "c/*", "1h")
    assert home.run("revoke", first).code == 0
    assert home.run("revoke", first).code == 4
    assert home.run("revoke", "--json").json["count"] == 2
    assert home.run("revoke").out == "No grant was active.\n"


def test_a_rule_is_removed_by_its_id(home: Home) -> None:
    rule = home.run("deny", "disk/*", "--json").json["rule_id"]
    assert home.run("unrule", rule).out == f"Removed rule {rule} for disk/*.\n"
    assert home.run("unrule", rule).code == 4
    assert home.run("rules", "--json").json["count"] == 0


def test_lock_and_unlock_say_whether_they_changed_anything(home: Home) -> None:
    assert [home.run(verb, "--json").json["changed"] for verb in ("lock", "lock", "unlock", "unlock")] == [
        True,
        False,
        True,
        False,
    ]
