"""Folders and socket paths of the embedded store: private, and short enough for a socket."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from portero.errors import StoreError

SOCKET_BYTES: Final = 103
"""A socket's path ends with a NUL in 108 bytes on Linux, in 104 on macOS."""


def private_folder(folder: Path) -> None:
    """Makes the folder, for this user alone. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def socket_for(folder: Path) -> str:
    """The socket's path: in the folder, or where that is too long in a short private folder named after it.

    Raises StoreError when that one belongs to somebody else.
    """
    path = str(folder.resolve() / "socket")
    if len(os.fsencode(path)) <= SOCKET_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108  # checked below
        if not base:
            continue
        short = Path(base) / f"portero-{os.geteuid()}-{name}"
        path = str(short / "socket")
        if len(os.fsencode(path)) <= SOCKET_BYTES and Path(base).is_dir() and os.access(base, os.W_OK):
            short.mkdir(mode=0o700, exist_ok=True)
            found = short.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                raise StoreError(
                    f"{short} is not a private folder of this user. Remove it, or choose a shorter data folder."
                )
            return path
    raise StoreError(f"The path {path} is too long for a socket. Choose a shorter data folder.")


def write_socket(folder: Path, path: str) -> None:
    """Remembers where the server listens: another process may see other temporary folders."""
    new = folder / f"socket.path.{os.getpid()}"
    new.write_text(path)
    new.replace(folder / "socket.path")


def read_socket(folder: Path) -> str:
    """Where the server listens, or will once it has started."""
    try:
        return (folder / "socket.path").read_text()
    except OSError:
        return str(folder.resolve() / "socket")
