"""The process that is fuzzed: a real ``portero serve``, and what must be so after whatever was done to it."""

import json
import sys
from pathlib import Path

from tests.fuzz.raw_http import Connection, Exchange, Response
from tests.system.place import TOKEN, Place, wait_until
from tests.system.reals import forms

OWNER, FAKE = "Zoë Qvistgård", "Jane Doe"
MAIL, FAKE_MAIL = "zoe.qvistgaard@harbour.example", "jane@example.com"
REPLACEMENTS = [
    {"fake": FAKE, "real": "${REAL_NAME}", "bidirectional": True},
    {"fake": FAKE_MAIL, "real": "${REAL_EMAIL}", "bidirectional": True, "caseSensitive": False},
]
POLICIES = {
    "fx/danger": "require-approval",
    "fx/forbidden": "deny",
    **{f"fx/{kind}:{prefix}asked": "require-approval" for kind, prefix in (("resource", "made://"), ("prompt", ""))},
    **{f"fx/{kind}:{prefix}denied": "deny" for kind, prefix in (("resource", "made://"), ("prompt", ""))},
}
FORMS = [form for real in (OWNER, MAIL) for form in forms(real)]
PING = (
    b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 40\r\n"
    b"authorization: Bearer " + TOKEN.encode() + b'\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}'
)
OURS = {400, 401, 403, 404, 405, 406, 413, 415}
"""Refusals. 408 is for the slow, and these here are not slow enough."""
INTERNAL, LOG_UNAVAILABLE = -32603, 4503


class Victim:
    def __init__(self, place: Place) -> None:
        self.place = place
        self._known = 0
        self._read = 0

    @property
    def port(self) -> int:
        return self.place.port

    def connect(self) -> Connection:
        return Connection(self.place.port)

    def exchange(self, exchange: Exchange) -> list[Response]:
        """All answers. What is left open is closed once those are there that can be."""
        with self.connect() as connection:
            connection.send(*exchange.pieces)
            found = connection.responses(exchange.before)
            if exchange.before is not None:
                connection.end()
                found += connection.responses()
            return found

    def effects(self) -> list[str]:
        """What the upstream has done since this was asked last."""
        lines = self.place.effects.read_text().splitlines() if self.place.effects.exists() else []
        new, self._known = lines[self._known :], len(lines)
        return new

    def judge(self, responses: list[Response]) -> None:
        """Every answer is one that may be given, and the upstream did what was answered, and nothing else."""
        done = []
        for response in responses:
            done += judged(response)
        effects = self.effects()
        assert sorted(effect.split()[0] for effect in effects) == sorted(done), (effects, responses)
        for effect in effects:
            assert not any(word in effect for word in ("danger", "forbidden", "asked", "denied")), effect

    def lives(self) -> None:
        """It answers a proper request properly, and has not complained in the meantime."""
        with self.connect() as connection:
            connection.send(PING)
            response = connection.response()
        assert response is not None
        assert response.body == b'{"jsonrpc":"2.0","id":1,"result":{}}', response
        with (self.place.folder / "serve.log").open("rb") as log:
            log.seek(self._read)
            said = log.read()
            self._read += len(said)
        assert b"Traceback" not in said, said.decode()
        assert b"Portero failed" not in said, said.decode()
        assert not any(form in said for form in FORMS), said.decode()


def judged(response: Response) -> list[str]:
    """The numbers of what was done, as the answer tells; fails where the answer is none that may be given."""
    messages = response.messages
    away = response.status == 503 and [one.get("error", {}).get("code") for one in messages] == [LOG_UNAVAILABLE]
    assert response.status in {200, 202, *OURS} or away, response
    assert bool(messages) == (response.status != 202), response
    done = []
    for message in messages:
        assert message["jsonrpc"] == "2.0"
        said = json.dumps({**message, "id": None}, ensure_ascii=False).encode("utf-8", "surrogatepass")
        assert not any(form in said for form in FORMS), "only its own id comes back to a client as it sent it"
        if "method" in message:
            continue
        assert ("error" in message) != ("result" in message), message
        if "error" in message:
            error = message["error"]
            assert isinstance(error["code"], int)
            assert isinstance(error["message"], str)
            assert error["code"] != INTERNAL, error
        else:
            assert response.status == 200
            done += done_in(message["result"])
    return done


def done_in(result: object) -> list[str]:
    """``DONE 7``: once in the member that belongs to the method, and the same in the others."""
    text = str(result)
    return sorted({part.split(" ")[0] for part in text.split("DONE ")[1:]})


def open_victim(folder: Path) -> Place:
    """A place with the upstream behind it; to be started."""
    place = Place(servers=[], REAL_NAME=OWNER, REAL_EMAIL=MAIL)
    upstream = {
        "name": "fx",
        "command": sys.executable,
        "args": [str(Path(__file__).parent / "counted.py"), str(place.effects)],
        "env": {"OWNER": "${REAL_NAME}"},
    }
    place.configure("mcps", {"mcps": [upstream]})
    place.configure("policies", {"policies": POLICIES, "defaultPolicy": "allow"})
    place.configure("replacements", {"replacements": REPLACEMENTS})
    return place


def started(place: Place) -> Victim:
    place.start()
    client = place.client()
    wait_until(lambda: "fx/do" in str(client.rpc("tools/list")), "the upstream is connected")
    return Victim(place)
