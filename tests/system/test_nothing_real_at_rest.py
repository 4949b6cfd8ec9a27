"""Real values and secrets live in memory only: every byte that a run leaves behind is searched for them."""

import gzip
import json
import sys
from pathlib import Path

from tests.servers import people
from tests.system.place import EFFECTS, POLICIES, TOKEN, Place, kill, wait_until
from tests.system.reals import forms

NAME, MAIL, ACCOUNT, KEY = (
    "Zoë Qvistgård",
    "zoe.qvistgaard@harbour.example",
    "DE44500105175407324931",
    "rk_live_8d7f6e5c4b3a",
)
SECRET = "upstream-secret-51f0c9"
REPLACEMENTS = {
    "replacements": [
        {"fake": "Jane Doe", "real": "${REAL_NAME}", "bidirectional": True},
        {"fake": "jane@example.com", "real": "${REAL_EMAIL}", "bidirectional": True, "caseSensitive": False},
        {"fake": "ana@example.com", "real": "${OTHER_EMAIL}", "bidirectional": True, "caseSensitive": False},
        {"fake": "Ana Fake", "real": "${OTHER_NAME}", "bidirectional": True},
        {"fake": "DE00FAKE", "real": "${REAL_BANK_ACCOUNT}", "bidirectional": False},
        {"fake": "key-fake", "real": "${REAL_API_KEY}", "bidirectional": False, "responseReplacement": "[key]"},
    ]
}


def left_behind(folder: Path, effects: Path) -> dict[Path, bytes]:
    """Every file but the upstream's own and the configuration, which names variables and not values."""
    return {
        file: gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file != effects and file.parent.name != "config"
    }


def test_no_real_value_and_no_secret_is_left_in_any_byte() -> None:
    env = {"REAL_NAME": NAME, "REAL_EMAIL": MAIL, "REAL_BANK_ACCOUNT": ACCOUNT, "REAL_API_KEY": KEY, "SECRET": SECRET}
    env |= {"OTHER_NAME": people.NAME, "OTHER_EMAIL": people.MAIL}
    with Place(LOG_LEVEL="debug", PORTERO_ARCHIVE_EVENTS="10", **env) as place:
        heard = place.effects.with_name("heard")
        fx = {
            "name": "fx",
            "command": sys.executable,
            "args": [str(EFFECTS), str(place.effects)],
            "env": {"K": "${SECRET}"},
        }
        gone = {"name": "gone", "command": "no-such-command", "args": ["${REAL_NAME}"]}
        named = {"name": "people", "command": sys.executable, "args": [people.__file__, str(heard)]}
        place.configure("mcps", {"mcps": [fx, gone, named]})
        place.configure("replacements", REPLACEMENTS)
        place.configure("policies", {"policies": {**POLICIES["policies"], "people/*": "allow"}})
        gateway = place.start()
        client = place.client()

        seen = client.tool("fx/do", id="Jane-1", to="Jane Doe <JANE@example.com>", pay="DE00FAKE", key="key-fake")
        (item,) = seen["result"]["content"]
        assert "Jane Doe" in item["text"]
        assert "jane@example.com" in item["text"].lower()
        assert "[key]" in item["text"]
        assert not any(real.lower() in item["text"].lower() for real in (NAME, MAIL, ACCOUNT, KEY))

        # names that are real values, too
        sent = client.tool("people/send_to_ana@example.com")
        assert sent["result"]["content"][0]["text"] == "send_to_ana@example.com did it"
        assert heard.read_text() == f"tool send_to_{people.MAIL}\n"
        wrong = client.tool(f"people/send_to_{people.MAIL}")
        assert people.MAIL not in json.dumps(wrong)

        # a model that has got hold of real values all the same: they are masked before they are kept
        client.tool("fx/look", id="look", said=[NAME, {MAIL: MAIL.upper()}, f"x{ACCOUNT}y", f"{KEY}\n"])
        task = client.ask("Jane-2", body=f"from Jane Doe and {NAME}", deep=[[{"account": ACCOUNT, NAME: 1}]])
        wrong = client.tool(f"fx/{NAME}", id="x")
        assert NAME not in json.dumps(wrong, ensure_ascii=False)
        client.tool("gone/x", id=NAME)
        shown = place.command("show", task).stdout
        assert "Jane Doe" in shown
        assert place.command("approve", task).returncode == 0
        wait_until(lambda: client.task(task)["status"] == "completed", "it runs")
        result = json.dumps(client.check(task), ensure_ascii=False)
        assert "Jane Doe" in result
        for command in (("tasks",), ("logs",), ("status",), ("explain", "fx/do")):
            done = place.command(*command)
            shown += done.stdout + done.stderr
        metrics = client.http.get("/metrics").text
        wait_until(lambda: len(list((place.folder / "data" / "archive").glob("0*"))) > 1, "most of it is archived")
        kill(gateway)
        place.start()
        for gateway in place.gateways[1:]:
            gateway.terminate()
            gateway.wait(20)

        assert place.done()["Jane-2"] == 1
        heard.unlink()
        files = left_behind(place.folder, place.effects)
        searched = {path.parent.name for path, content in files.items() if b"ToolCallRequested" in content}
        assert "archive" in searched, "the archive was not searched"
        assert len(searched) > 1, "the log was not searched"
        everything = {**files, Path("shown"): (shown + metrics + result + json.dumps(seen)).encode()}
        for real in (NAME, MAIL, ACCOUNT, KEY, SECRET, TOKEN, people.NAME, people.MAIL):
            for form in forms(real):
                found = [str(path) for path, content in everything.items() if form in content]
                assert not found, f"{form!r} is in {found}"
