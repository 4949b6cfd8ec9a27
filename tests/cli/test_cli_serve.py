"""``portero serve`` and the embedded store: what a person is told, what stops a start, what the other commands find."""

import fcntl
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

import portero.demo.server
from tests.cli.home import Home
from tests.stores import eventually, free_port

OFFICE = {"name": "office", "command": "${PORTERO_PYTHON}", "args": [portero.demo.server.__file__]}
KEYED = {"name": "keyed", "command": "never", "env": {"KEY": "${NO_SUCH_KEY}"}}

POLICIES = {"policies": {"office/find_*": "allow"}, "defaultPolicy": "require-approval"}


def configure(home: Home, **files: object) -> None:
    home.configure(**{"mcps": {"mcps": [OFFICE, KEYED]}, "policies": POLICIES} | files)
    home.extra["PORT"] = str(free_port())


@pytest.fixture
def served(own: Home) -> Iterator[tuple[Home, str]]:
    """A gateway on the embedded store, and what it printed when it was up."""
    configure(own)
    gateway = own.start("serve")
    printed = read_announcement(gateway)
    yield own, printed
    gateway.send_signal(signal.SIGTERM)
    gateway.communicate(timeout=30)
    assert gateway.returncode == 0


def read_announcement(gateway: "subprocess.Popen[str]") -> str:
    assert gateway.stdout is not None
    printed = ""
    while "Stop it with Ctrl-C." not in printed:
        line = gateway.stdout.readline()
        assert line, printed + (gateway.stderr.read() if gateway.stderr else "")
        printed += line
    return printed


def call(home: Home, token: str, tool: str, **arguments: str) -> dict[str, object]:
    """One tools/call as a legacy client makes it; the JSON of the answer's text."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{home.extra['PORT']}/mcp",
        json.dumps(message).encode(),
        {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        },
    )
    with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - our own gateway
        answer = json.load(reply)
    assert "result" in answer, answer
    found: dict[str, object] = json.loads(answer["result"]["content"][0]["text"])
    return found


def test_it_says_all_that_a_person_needs(served: tuple[Home, str]) -> None:
    home, printed = served
    url = f"http://127.0.0.1:{home.extra['PORT']}/mcp"
    assert f"Portero listens on {url}" in printed
    token = (home.folder / "data" / "bearer-token").read_text().strip()
    assert f'claude mcp add --transport http portero {url} --header "Authorization: Bearer {token}"' in printed
    assert "Servers behind it: office" in printed
    assert "'keyed' is skipped: NO_SUCH_KEY is not set" in printed
    assert f"{sys.executable} -m portero approve TASK" in printed


def test_approval_from_a_second_terminal(served: tuple[Home, str]) -> None:
    home, _ = served
    token = (home.folder / "data" / "bearer-token").read_text().strip()
    eventually(lambda: "connected" in home.run("status").out, "the office is connected", 20)
    pending = call(home, token, "office/send_mail", to="a", subject="b", body="c")
    assert pending["status"] == "pending-approval"
    task = str(pending["task_id"])
    approved = home.run("approve", task)
    assert approved.code == 0
    assert "No gateway" not in approved.out
    eventually(lambda: home.run("show", task, "--json").json["status"] == "completed", "it has run")
    seen = home.run("show", task).out
    assert "Sent “b” to a (1 characters)." in seen
    assert [line.split()[2] for line in seen.partition("History")[2].splitlines() if line][:4] == [
        "requested",
        "policy",
        "asks",
        "approved",
    ]
    gateways = home.run("status", "--json").json["gateways"]
    assert [gateway["state"] for gateway in gateways] == ["ready"]
    assert home.run("replay").code == 0


def test_a_second_start_keeps_the_token_and_does_not_show_it(own: Home) -> None:
    configure(own)
    first = own.start("serve")
    read_announcement(first)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    token = (own.folder / "data" / "bearer-token").read_text().strip()
    second = own.start("serve")
    printed = read_announcement(second)
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=30)
    assert token not in printed
    [header] = re.findall(r'--header (".*")', printed)
    shown = subprocess.run(["bash", "-c", f"echo {header}"], capture_output=True, text=True, check=True).stdout
    assert shown == f"Authorization: Bearer {token}\n"


def test_after_a_gateway_that_was_killed_commands_still_work(own: Home) -> None:
    configure(own)
    gateway = own.start("serve")
    read_announcement(gateway)
    gateway.kill()
    gateway.communicate(timeout=30)
    status = own.run("status", "--json").json
    assert [gateway["state"] for gateway in status["gateways"]] == ["gone: it ended without a word"]
    # the command was the last to use the store that the gateway had left behind
    eventually(lambda: not own.store_runs(), "the store is ended")


def test_without_a_gateway_a_command_runs_the_store_for_itself_alone(own: Home) -> None:
    task = own.ask()
    assert not own.store_runs()
    assert own.run("approve", task).code == 0
    assert not own.store_runs()
    assert own.run("show", task, "--json").json["status"] == "approved-queued"


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        pytest.param(lambda home: (home.folder / "config" / "mcps.json").write_text("{"), "mcps.json", id="bad JSON"),
        pytest.param(lambda home: configure(home, policies={"policies": {"a/b": "alow"}}), "a/b", id="misspelt action"),
        pytest.param(lambda home: home.extra.update(PORT="http"), "PORT must be a whole number", id="port"),
        pytest.param(lambda home: home.extra.update(SSL_CERT_PATH="x.pem"), "SSL_KEY_PATH", id="half of HTTPS"),
        pytest.param(lambda home: home.extra.update(REDIS_URL="redis://127.0.0.1:1"), "REDIS_URL", id="no Redis"),
        pytest.param(lambda home: home.extra.update(HOST="203.0.113.7"), "HOST", id="foreign address"),
    ],
)
def test_a_start_that_cannot_work_says_why_and_leaves_nothing(own: Home, prepare: object, said: str) -> None:
    configure(own)
    assert callable(prepare)
    prepare(own)
    ran = own.run("serve")
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_a_taken_port_is_named_before_anything_is_started(own: Home) -> None:
    configure(own)
    with socket.create_server(("127.0.0.1", int(own.extra["PORT"]))):
        ran = own.run("serve")
    assert ran.code == 1
    assert f"Something already listens on 127.0.0.1:{own.extra['PORT']}" in ran.err
    assert not (own.folder / "data" / "store").exists()


def test_a_data_folder_that_something_else_holds(own: Home) -> None:
    configure(own)
    store = own.folder / "data" / "store"
    store.mkdir(parents=True)
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = own.run("pending")
    assert ran.code == 1
    assert "is in use" in ran.err


def test_explain_tells_when_the_gateway_runs_with_other_policies(served: tuple[Home, str]) -> None:
    home, _ = served
    assert not home.run("explain", "office/send_mail", "--json").json["configurationIsStale"]
    home.configure(mcps={"mcps": [OFFICE, KEYED]}, policies={"policies": {"office/*": "deny"}, "defaultPolicy": "deny"})
    assert home.run("explain", "office/send_mail", "--json").json["configurationIsStale"]
    assert "restart it to use this one" in home.run("explain", "office/send_mail").out
