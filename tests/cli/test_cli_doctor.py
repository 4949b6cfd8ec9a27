"""``portero doctor``: what is well, what is not, and that looking changes nothing."""

import json
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from portero.cli.doctor.certificate import days_left
from tests.cli.home import Home
from tests.stores import VALKEY, Place, Server, eventually, free_port


def checks(home: Home) -> dict[str, list[tuple[str, str]]]:
    """What the doctor says, by what about."""
    found: dict[str, list[tuple[str, str]]] = {}
    for check in home.run("doctor", "--json").json["checks"]:
        found.setdefault(check["about"], []).append((check["state"], check["text"]))
    return found


def test_the_doctor_of_a_healthy_place(home: Home) -> None:
    home.configure()
    home.extra["PORT"] = str(free_port())
    home.ask()
    ran = home.run("doctor")
    assert ran.code == 0, ran.out
    assert all(line.split("\t")[0] in {"ok", "warn"} for line in ran.out.splitlines())
    assert "Nothing stands in the way." in home.on_terminal("doctor")


def test_the_doctor_before_the_first_start_makes_nothing(own: Home) -> None:
    own.configure()
    own.extra["PORT"] = str(free_port())
    assert own.run("doctor").code == 0
    assert [path.name for path in own.folder.iterdir()] == ["config"]


def test_the_doctor_looks_where_the_archive_is_to_be(home: Home) -> None:
    home.configure()
    home.extra |= {"PORT": str(free_port()), "PORTERO_ARCHIVE": "deep/archive"}
    assert checks(home)["archive"][0][0] == "ok"
    (home.folder / "deep").touch()
    folder = home.folder / "deep" / "archive"
    assert checks(home)["archive"][0] == ("fail", f"{folder} cannot be made")


def test_the_doctor_finds_what_is_wrong(home: Home) -> None:
    data = home.folder / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    servers = [
        {"name": "lost", "command": "no-such-program"},
        {"name": "far", "url": f"http://127.0.0.1:{free_port()}/mcp"},
        {"name": "unset", "command": "x", "env": {"KEY": "${NO_SUCH_KEY}"}},
    ]
    home.configure(mcps={"mcps": servers})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        home.extra["PORT"] = str(taken.getsockname()[1])
        found = checks(home)
        assert home.run("doctor").code == 1
    assert found["server lost"] == [("fail", "its command no-such-program is not on the PATH")]
    assert found["server far"][0][0] == "fail"
    assert found[f"port {home.extra['PORT']}"] == [("fail", "something else listens here")]
    assert found["data folder"] == [("warn", f"{data} can be read by other users")]
    assert "NO_SUCH_KEY" in found["skipped"][0][1]


def test_the_doctor_goes_on_where_the_configuration_is_wrong(home: Home) -> None:
    home.configure(policies={"policies": {"a/b": "yes"}})
    found = checks(home)
    assert found["configuration"][0][0] == "fail"
    assert found["store"][0][0] in {"ok", "warn"}


def test_the_doctor_says_that_the_store_cannot_be_reached(home: Home) -> None:
    home.configure()
    home.extra["PORT"] = str(free_port())
    home.extra["REDIS_URL"] = "redis://:s3cret@127.0.0.1:1"
    home.place = None
    ran = home.run("doctor")
    assert ran.code == 1
    assert "fail\tstore" in ran.out
    assert "s3cret" not in ran.out + ran.err


def test_a_store_that_would_lose_events_fails(tmp_path: Path) -> None:
    server = Server(
        VALKEY, settings={"appendonly": "no", "maxmemory": "200mb", "maxmemory-policy": "allkeys-lru"}
    ).start()
    try:
        home = Home(tmp_path, Place(server))
        home.configure()
        home.extra["PORT"] = str(free_port())
        found = checks(home)["store"]
        assert home.run("serve").code == 1
    finally:
        server.stop()
    assert {state for state, _ in found} == {"fail"}
    assert any("maxmemory-policy allkeys-lru" in text for _, text in found)
    assert any("appendonly yes" in text for _, text in found)


def test_a_store_that_may_lose_a_second_is_warned_of(home: Home) -> None:
    home.configure()
    assert any(state == "warn" and "appendfsync always" in text for state, text in checks(home)["store"])


class _BotApi(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/bot123:good/getMe"
        body = json.dumps({"ok": known, "result": {"username": "our_bot\u202e"}}).encode()
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("token", "state", "text"),
    [("123:good", "ok", "the bot is @our_bot\u202e"), ("123:bad", "fail", "it does not know the bot's token")],
)
def test_the_doctor_asks_telegram_who_the_bot_is(home: Home, token: str, state: str, text: str) -> None:
    home.configure()
    with HTTPServer(("127.0.0.1", 0), _BotApi) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        home.extra |= {
            "PORT": str(free_port()),
            "TELEGRAM_BOT_TOKEN": token,
            "TELEGRAM_ADMIN_CHAT_ID": "1",
            "TELEGRAM_API_BASE": f"http://127.0.0.1:{api.server_port}",
        }
        assert checks(home)["Telegram"] == [(state, text)]
        assert token not in home.run("doctor").out
        api.shutdown()


def make_certificate(folder: Path, days: int) -> tuple[Path, Path]:
    certificate, key, request = folder / "cert.pem", folder / "key.pem", folder / "request.pem"
    for command in (
        f"req -newkey rsa:2048 -nodes -subj /CN=portero -keyout {key} -out {request}",
        f"x509 -req -in {request} -signkey {key} -days {days} -out {certificate}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize(("days", "left"), [(40, 39), (0, -1)])
def test_how_long_a_certificate_is_valid(tmp_path: Path, days: int, left: int) -> None:
    certificate = make_certificate(tmp_path, days)
    eventually(lambda: days_left(*certificate) == left, f"{left} days are left")
