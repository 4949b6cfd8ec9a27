"""The official TypeScript clients, each a process that does what it is told."""

import json
import subprocess
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

from tests.clients.world import NODE
from tests.system.place import TOKEN, wait_until

HERE = Path(__file__).parent / "typescript"
SECONDS = 60


class ClientError(Exception):
    """What the client threw: ``name``, ``message``, ``code`` and ``data``."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["message"])
        self.name, self.code, self.data = told["name"], told["code"], told["data"]


class TypeScript:
    """``kind`` is ``sdk`` (the first line), or the era for the client of the second: legacy, auto, pinned."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        script = ["sdk.mjs", url, TOKEN] if kind == "sdk" else ["client.mjs", url, TOKEN, kind]
        self._process = subprocess.Popen(
            [NODE, *script], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        self._events: list[tuple[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        self.connected = self.do("connect")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def modern(self) -> bool:
        return self.kind in ("auto", "pinned")

    def begin(self, command: str, **params: Any) -> int:
        """Has it do something; ``end`` waits for that."""
        identity = len(self._answers)
        self._answers[identity] = Queue()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": identity, "command": command, "params": params}) + "\n")
        self._process.stdin.flush()
        return identity

    def end(self, identity: int) -> Any:
        """The result. Raises ClientError."""
        try:
            answer = self._answers[identity].get(timeout=SECONDS)
        except Empty:
            raise AssertionError(f"the client has not answered in {SECONDS} s") from None
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["result"]

    def do(self, command: str, **params: Any) -> Any:
        return self.end(self.begin(command, **params))

    def call(self, tool: str, **arguments: Any) -> Any:
        return self.do("call", name=tool, arguments=arguments)

    def begin_call(self, tool: str, **arguments: Any) -> int:
        return self.begin("call", name=tool, arguments=arguments)

    def events(self, name: str) -> list[Any]:
        """What it has reported so far under this name."""
        return [value for told, value in list(self._events) if told == name]

    def event(self, name: str, since: int = 0) -> Any:
        """Waits for the first one after so many."""
        return wait_until(lambda: self.events(name)[since:], f"the client reports {name!r}")[0]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "event" in said:
                self._events.append((said["event"], said["value"]))
            else:
                self._answers[said["id"]].put(said)
