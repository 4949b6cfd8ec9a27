"""The gateway as a process, its bot on the strict server, a client over HTTP: from the call to its result."""

import asyncio
import json
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx

import portero.demo.server
from tests.cli.home import Home
from tests.stores import free_port
from tests.telegram.fake_api.server import TOKEN, FakeApi
from tests.telegram.office import ANA, refused

OFFICE = {"name": "office", "command": "${PORTERO_PYTHON}", "args": [portero.demo.server.__file__]}
POLICIES = {"policies": {"office/find_*": "allow"}, "defaultPolicy": "require-approval"}
CLIENT = "a-token-for-this-test"
REAL = "maria.huber@real.example"
MAIL = {"to": "jane.doe@fake.example", "subject": "Hello", "body": "Dear Jane"}


async def post(url: str, token: str, tool: str, arguments: dict[str, Any]) -> str:
    """The text of the answer."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(timeout=20) as client:
        answer = (await client.post(url, json=message, headers=headers)).json()
    return str(answer["result"]["content"][0]["text"])


async def connected(url: str) -> None:
    """Until the server behind the gateway is there."""
    async with asyncio.timeout(30):
        while "send_mail" not in await post(url, CLIENT, "portero/search_tools", {}):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def announced(gateway: "subprocess.Popen[str]") -> str:
    assert gateway.stdout is not None
    printed = ""
    while "Stop it with Ctrl-C." not in printed:
        line = gateway.stdout.readline()
        assert line, printed + (gateway.stderr.read() if gateway.stderr else "")
        printed += line
    return printed


async def test_from_the_call_over_the_tap_to_the_result() -> None:
    with tempfile.TemporaryDirectory(prefix="portero-") as place:
        async with FakeApi.running() as api:
            ana = api.world.person(ANA, "Ana")
            port = free_port()
            home = Home(Path(place))
            replacements = [{"fake": MAIL["to"], "real": REAL, "bidirectional": True}]
            home.configure(mcps={"mcps": [OFFICE]}, policies=POLICIES, replacements={"replacements": replacements})
            home.extra |= {
                "PORT": str(port),
                "BEARER_TOKEN": CLIENT,
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_ADMIN_CHAT_ID": str(ANA),
                "TELEGRAM_API_BASE": api.base,
            }
            gateway = home.start("serve")
            try:
                printed = await asyncio.to_thread(announced, gateway)
                url = f"http://127.0.0.1:{port}/mcp"
                await connected(url)
                pending = json.loads(await post(url, CLIENT, "office/send_mail", MAIL))
                assert pending["status"] == "pending-approval"
                [card] = await api.until(
                    lambda: [m for m in api.world.of_bot(ANA) if "Approval needed" in m.log[0]], "a card", 60
                )
                assert f"to: ⟪{MAIL['to']}⟫" in card.text
                query = ana.taps(card, "Show real values")
                told = await api.until(lambda: [a for a in api.world.answers if a["query"] == query], "an alert")
                assert told[0]["text"] == f"{MAIL['to']} → {REAL}"
                ana.taps(card, "✅ Approve")
                await api.until(lambda: "Done in" in card.text, "the card tells the outcome", 30)
                task = {"task_id": pending["task_id"]}
                assert f"Sent “Hello” to {MAIL['to']}" in await post(url, CLIENT, "portero/check_task", task)
            finally:
                gateway.send_signal(signal.SIGTERM)
                out, err = await asyncio.to_thread(gateway.communicate, None, 30)
            assert gateway.returncode == 0
            assert TOKEN not in printed + out + err
            assert REAL not in printed + out + err
            for path in (home.folder / "data").rglob("*"):
                assert not path.is_file() or REAL.encode() not in path.read_bytes(), path
            assert not any(REAL in text for message in api.world.of_bot(ANA) for text in message.log)
            assert refused(api) == []
