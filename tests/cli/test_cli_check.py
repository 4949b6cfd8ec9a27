"""config check, doctor, explain, replay, completion."""

import json
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from portero.cli.doctor.certificate import days_left
from portero.cli.doctor.finding import Grade
from portero.cli.doctor.store import judge
from portero.domain.events import CatalogueTool
from portero.domain.values import ToolFacts
from portero.log.health import judge as health_of
from tests.cli.home import Home
from tests.stores import eventually, free_port

POLICIES = {
    "policies": {"disk/*": "deny", "disk/read*": "allow", "disk/read_secret": "require-approval"},
    "defaultPolicy": "require-approval",
}


def configure(home: Home, **files: object) -> None:
    config = home.folder / "config"
    config.mkdir(exist_ok=True)
    for name, value in ({"mcps": {"mcps": []}, "policies": POLICIES} | files).items():
        (config / f"{name}.json").write_text(json.dumps(value))


def checks(home: Home) -> dict[str, list[tuple[str, str]]]:
    """What the doctor says, by what about."""
    found: dict[str, list[tuple[str, str]]] = {}
    for check in home.run("doctor", "--json").json["checks"]:
        found.setdefault(check["about"], []).append((check["state"], check["text"]))
    return found


# --- config check -----------------------------------------------------------------------------------------------------


def test_a_good_configuration(home: Home) -> None:
    configure(home)
    ran = home.run("config", "check", "--json")
    assert ran.code == 0
    assert ran.json["ok"]
    assert ran.json["policies"]["disk/*"] == "deny"
    assert "3, and require-approval for everything else" in home.run("config", "check").out


def test_every_problem_of_a_bad_one_at_once(home: Home) -> None:
    configure(home, policies={"policies": {"a/b": "yes"}}, replacements={"replacements": [{"fake": "x"}]})
    ran = home.run("config", "check", "--json")
    assert ran.code == 1
    assert not ran.json["ok"]
    assert len(ran.json["problems"]) >= 2
    assert ran.err.count("\n") == len(ran.json["problems"])


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_the_doctor_of_a_healthy_place(home: Home) -> None:
    configure(home)
    home.extra["PORT"] = str(free_port())
    home.ask()
    ran = home.run("doctor")
    assert ran.code == 0, ran.out
    assert all(line.split("\t")[0] in {"ok", "warn"} for line in ran.out.splitlines())
    assert "Nothing stands in the way." in home.on_terminal("doctor")


def test_the_doctor_before_the_first_start_makes_nothing(own: Home) -> None:
    configure(own)
    own.extra["PORT"] = str(free_port())
    assert own.run("doctor").code == 0
    assert [path.name for path in own.folder.iterdir()] == ["config"]


def test_the_doctor_finds_what_is_wrong(home: Home) -> None:
    data = home.folder / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    servers = [
        {"name": "lost", "command": "no-such-program"},
        {"name": "far", "url": f"http://127.0.0.1:{free_port()}/mcp"},
        {"name": "unset", "command": "x", "env": {"KEY": "${NO_SUCH_KEY}"}},
    ]
    configure(home, mcps={"mcps": servers})
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
    configure(home, policies={"policies": {"a/b": "yes"}})
    found = checks(home)
    assert found["configuration"][0][0] == "fail"
    assert found["store"][0][0] in {"ok", "warn"}


def test_the_doctor_says_that_the_store_cannot_be_reached(home: Home) -> None:
    configure(home)
    home.extra["PORT"] = str(free_port())
    home.extra["REDIS_URL"] = "redis://:s3cret@127.0.0.1:1"
    home.place = None
    ran = home.run("doctor")
    assert ran.code == 1
    assert "fail\tstore" in ran.out
    assert "s3cret" not in ran.out + ran.err


def test_a_store_that_would_lose_events_fails() -> None:
    info = {"redis_version": "7.2.4", "role": "master", "aof_enabled": 0, "used_memory": 95, "maxmemory": 100}
    findings = judge(health_of(info, {"save": "", "maxmemory-policy": "allkeys-lru"}, ping_ms=1))
    assert [finding.grade for finding in findings] == [Grade.OK, Grade.FAIL, Grade.WARN, Grade.FAIL]


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
    configure(home)
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


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_names_what_decides_and_what_it_beat(home: Home) -> None:
    configure(home)
    home.on_log(lambda scribe: scribe.offer("disk", CatalogueTool("read_all", ToolFacts(read_only=True))))
    told = home.run("explain", "disk/read_all", "--json").json
    assert (told["policy"], told["known"]) == ("allow", True)
    assert told["reason"] == {"tier": "config-pattern", "pattern": "disk/read*"}
    assert [(beaten["policy"], beaten["reason"]["tier"]) for beaten in told["beaten"]] == [
        ("deny", "config-pattern"),
        ("require-approval", "config-default"),
    ]
    seen = home.on_terminal("explain", "disk/read_all")
    assert "disk/read_all: allow. A call runs at once." in seen
    assert "Decided by policies.json, disk/read*." in seen
    assert "disk/read* is more specific" in seen
    assert "read-only" in seen


def test_explain_sees_rules_grants_and_the_lock(home: Home) -> None:
    configure(home)
    home.run("grant", "disk/read_secret", "1h")
    granted = home.run("explain", "disk__read_secret", "--json").json
    assert granted["toolName"] == "disk/read_secret"
    assert (granted["policy"], "grant" in granted["reason"]) == ("allow", True)
    rule = home.run("deny", "disk/*", "--json").json["rule_id"]
    assert home.run("explain", "disk/read_secret", "--json").json["reason"] == {
        "tier": "rule",
        "pattern": "disk/*",
        "rule": rule,
    }
    home.run("lock")
    assert home.run("explain", "disk/read_secret", "--json").json["reason"]["tier"] == "lock"


def test_what_a_configured_denial_means_for_a_grant_and_for_a_rule(home: Home) -> None:
    configure(home)
    home.on_log(
        lambda scribe: scribe.offer("disk", CatalogueTool("wipe", ToolFacts()), CatalogueTool("read", ToolFacts()))
    )
    assert "policies.json denies disk/wipe: a grant does not lift that." in home.run("grant", "disk/*", "1h").out
    assert home.run("explain", "disk/wipe", "--json").json["policy"] == "deny"
    assert "policies.json denies disk/wipe: this rule overrides that." in home.run("allow", "disk/*").out
    assert home.run("explain", "disk/wipe", "--json").json["policy"] == "allow"


def test_explain_says_when_there_is_no_such_tool(home: Home) -> None:
    configure(home)
    assert "refused as unknown" in home.run("explain", "disk/reed").out
    assert home.run("explain", "nonsense").code == 2


# --- replay -----------------------------------------------------------------------------------------------------------


def test_replay_rebuilds_the_same_state(home: Home) -> None:
    home.run("approve", home.ask())
    home.run("grant", "a/*", "1h")
    told = home.run("replay", "--json")
    assert told.code == 0
    assert told.json["equal"]
    assert told.json["events"] == 5
    assert told.json["rebuilt"] == told.json["current"]


def test_replay_notices_an_event_that_is_gone(home: Home) -> None:
    home.ask()
    assert home.place is not None
    entries = home.place.redis.xrange(home.place.key("log"))
    home.place.redis.xdel(home.place.key("log"), entries[1][0])
    ran = home.run("replay")
    assert ran.code == 1
    assert "missing" in ran.err


# --- completion -------------------------------------------------------------------------------------------------------


def complete(home: Home, *words: str) -> list[str]:
    """What bash would be offered for the last word."""
    environment = {
        "_PORTERO_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["portero", *words]),
        "COMP_CWORD": str(len(words)),
    }
    ran = home.run(environment=environment)
    assert ran.err == ""
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell(own: Home, shell: str) -> None:
    ran = own.run("completion", shell)
    assert ran.code == 0
    assert "_PORTERO_COMPLETE" in ran.out


def test_bash_takes_the_script(own: Home) -> None:
    script = own.run("completion", "bash").out
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_options_and_words_are_completed(own: Home) -> None:
    assert complete(own, "ap") == ["approve"]
    assert "--grant" in complete(own, "approve", "--")
    assert complete(own, "resolve", "abcd", "h") == ["happened"]


def test_what_is_on_the_log_is_completed(home: Home) -> None:
    waiting, decided = home.ask(), home.ask()
    home.run("reject", decided)
    rule = home.run("deny", "disk/*", "--json").json["rule_id"]
    grant = home.run("grant", "mail/*", "1h", "--json").json["grant_id"]
    home.on_log(
        lambda scribe: scribe.offer("disk", CatalogueTool("read", ToolFacts()), CatalogueTool("$(boom)", ToolFacts()))
    )
    assert complete(home, "approve", "") == [waiting]
    assert sorted(complete(home, "show", "")) == sorted([waiting, decided])
    assert complete(home, "unrule", "r") == [rule]
    assert complete(home, "revoke", "g") == [grant]
    assert complete(home, "explain", "disk/") == ["disk/read"]  # a name that a shell would run is not offered


def test_where_nothing_runs_nothing_is_offered_and_nothing_started(own: Home) -> None:
    assert complete(own, "approve", "") == []
    own.ask()
    assert complete(own, "approve", "") == []
    assert not own.store_runs()
    assert [path.name for path in own.folder.iterdir()] == ["data"]
