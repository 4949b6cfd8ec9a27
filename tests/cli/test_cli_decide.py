"""approve, reject, cancel, resolve: who decided, what changed, and the exit codes that scripts rely on."""

import subprocess

import pytest

from portero.gateway.calls.taskids import task_id
from tests.cli.home import Home


def test_the_first_decision_counts_and_the_second_is_told_who_and_when(home: Home) -> None:
    call = home.ask()
    first, second = home.run_whole("approve", call), home.run_whole("reject", call)
    assert (first.code, second.code) == (0, 3)
    assert f"Approved: office/send_mail, task {call}." in first.out
    assert "No gateway is running now" in first.out
    assert "is approved already, by" in second.out
    assert "(command line) on 20" in second.out
    assert first.err == second.err == ""


def test_json_says_the_same_to_programs(home: Home) -> None:
    call = home.ask()
    first, second = home.run("reject", call, "--reason", "not today", "--json"), home.run("approve", call, "--json")
    assert (first.code, second.code) == (0, 3)
    assert first.json | {"by": ""} == {
        "task_id": call,
        "toolName": "office/send_mail",
        "status": "denied",
        "decided": True,
        "by": "",
    }
    assert second.json["decided"] is False
    assert second.json["by"] == first.json["by"]
    assert second.json["at"].endswith("Z")
    assert home.run("show", call, "--json").json["reason"] == "not today"


@pytest.mark.parametrize("verb", ["approve", "reject", "cancel", "show"])
def test_no_such_task(home: Home, verb: str) -> None:
    home.ask()
    ran = home.run(verb, "zzzzzzzzzzzzzzzz", "--json")
    assert ran.code == 4
    assert ran.json == {"error": "There is no task zzzzzzzzzzzzzzzz.", "exit": 4}


def test_a_task_is_found_by_every_name_it_goes_by(home: Home) -> None:
    call = home.ask()
    for name in (call, call[:6], call.upper(), f" {call} ", task_id(call, 1)):
        assert home.run("show", name, "--json").json["task_id"].startswith(call), name


def test_a_beginning_that_is_too_short_is_a_failure_that_says_so(home: Home) -> None:
    call = home.ask()
    ran = home.run("approve", call[:2])
    assert ran.code == 1
    assert "too short" in ran.err
    assert home.run("pending", "--json").json["count"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve",),
        ("approve", "abcd", "--grant", "ten minutes"),
        ("approve", "abcd", "--grant", "10m", "--always"),
        ("approve", "abcd", "--unknown"),
        ("resolve", "abcd", "maybe"),
        ("grant", "office/*"),
        ("grant", "office/*", "1h", "0"),
        ("grant", "office", "1h"),
        ("allow", " "),
        ("frobnicate",),
    ],
)
def test_wrong_usage(home: Home, arguments: tuple[str, ...]) -> None:
    ran = home.run(*arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "Usage" in ran.err


def test_an_unreachable_store_is_a_failure_that_says_what_to_do(home: Home) -> None:
    ran = home.run("approve", "abcdefgh", environment={"REDIS_URL": "redis://127.0.0.1:1"})
    assert ran.code == 1
    assert "REDIS_URL" in ran.err
    assert "Traceback" not in ran.err


def test_expired_is_too_late_and_nobody_is_named(home: Home) -> None:
    call = home.ask(expires_in=1)
    ran = home.run("approve", call, "--json")
    assert ran.code == 3
    assert ran.json["status"] == "expired"
    assert "by" not in ran.json


def test_always_and_grant_are_for_that_one_tool_literally(home: Home) -> None:
    call, other = home.ask(tool="office/*"), home.ask(tool="office/*")
    assert home.run("approve", call, "--always", "--json").json["rule_id"].startswith("r")
    assert home.run("approve", other, "--grant", "10m", "--json").json["grant_id"].startswith("g")
    held = home.run("rules", "--json").json
    assert [(rule["pattern"], rule["literal"], rule["policy"]) for rule in held["rules"]] == [
        ("office/*", True, "allow")
    ]
    assert [(grant["pattern"], grant["literal"]) for grant in held["grants"]] == [("office/*", True)]


def test_reject_always_denies_that_tool_from_now_on(home: Home) -> None:
    assert home.run("reject", home.ask(), "--always").code == 0
    assert home.run("rules", "--json").json["rules"][0]["policy"] == "deny"


def test_cancel_stops_what_has_not_started(home: Home) -> None:
    call = home.ask()
    assert home.run("cancel", call, "--reason", "changed my mind").code == 0
    assert home.run("approve", call).code == 3
    assert home.run("show", call, "--json").json["status"] == "cancelled"


def test_a_lost_outcome_is_settled_once(home: Home) -> None:
    call = home.on_log(lambda scribe: scribe.lose())
    assert f"portero resolve {call} happened" in home.run("show", call).out
    assert home.run("resolve", call, "happened").code == 0
    assert home.run("resolve", call, "run-again").code == 3
    assert home.run("show", call, "--json").json["resolution"] == "happened"


def test_of_decisions_made_together_exactly_one_counts(home: Home) -> None:
    for _ in range(3):
        call = home.ask()
        both = [home.start(verb, call) for verb in ("approve", "reject")]
        codes = sorted(_end(process) for process in both)
        assert codes == [0, 3]


def _end(process: "subprocess.Popen[str]") -> int:
    process.communicate(timeout=30)
    return process.returncode


def test_approvals_are_frozen_while_it_is_locked(home: Home) -> None:
    call = home.ask()
    assert home.run("lock", "--reason", "fire").code == 0
    frozen = home.run("approve", call)
    assert frozen.code == 1
    assert "lock" in frozen.err.lower()
    assert home.run("unlock").code == 0
    assert home.run("approve", call).code == 0
