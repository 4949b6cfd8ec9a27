"""Stands between Portero and a server on its pipe, and writes down every byte that the server says.

``tee.py RECORD COMMAND ARGUMENT…``. Standard library only, and in no way in between: it copies bytes, not messages.
"""

import os
import subprocess
import sys
import threading


def main() -> None:
    _, record, *command = sys.argv
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert server.stdin is not None
    assert server.stdout is not None

    def inwards(pipe: int = server.stdin.fileno()) -> None:
        while data := os.read(0, 65536):
            os.write(pipe, data)
        server.stdin.close()  # type: ignore[union-attr] # it is a pipe

    threading.Thread(target=inwards, daemon=True).start()
    with open(record, "ab", buffering=0) as file:  # noqa: PTH123 - pathlib takes 10 ms to import
        while data := os.read(server.stdout.fileno(), 65536):
            file.write(data)
            os.write(1, data)
    sys.exit(server.wait())


if __name__ == "__main__":
    main()
