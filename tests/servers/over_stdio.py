"""The made-up server as a child process: one line per message."""

import json
import sys
import threading
import time
from typing import Any

from fixture import Fixture, begin, options


def main() -> None:
    given = options()
    begin(given)
    fixture = Fixture(given)
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        line = json.dumps(message) + "\n"
        with lock:
            sys.stdout.write(line)
            sys.stdout.flush()

    for line in sys.stdin:
        fixture.handle(json.loads(line), send)
    while given.stubborn:
        time.sleep(60)


if __name__ == "__main__":
    main()
