"""``clients.json``: the programs that may use the gateway, each with the SHA-256 of its own token."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from portero.domain.ids import ClientId
from portero.settings.files import CLIENTS
from portero.settings.shape import Shape
from portero.settings.substitute import filled
from portero.settings.values import DEFAULT_CLIENT, Client

KEYS: Final = ("name", "tokenSha256", "disabled")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
_OF_NOTHING: Final = hashlib.sha256(b"").digest()


def read_clients(document: Any, values: Mapping[str, str], problems: list[str]) -> tuple[Client, ...]:
    """All clients, the disabled ones too: they are known, and refused."""
    shape = Shape(CLIENTS, problems)
    result = filled(
        document, values, CLIENTS, problems, lambda unset: shape.wrong("", f"a variable is used, but {unset}.")
    )
    if result is None:
        return ()
    top = shape.table(result[0], "", ("clients",))
    lines = shape.get(top, "clients", list, "")
    if lines is None and "clients" not in top:
        shape.wrong("", 'must be {"clients": [ … ]}.')
    clients: dict[bytes, Client] = {}
    for number, line in enumerate(lines or (), 1):
        client = _read(number, line, shape)
        if client is None:
            continue
        if client.token_sha256 in clients:
            other = clients[client.token_sha256].name
            shape.wrong(f"client {client.name!r}", f"has the same token as {other!r}. Give each its own.")
        elif any(other.name == client.name for other in clients.values()):
            shape.wrong(f"client {client.name!r}", "stands here twice. Names must be different.")
        clients.setdefault(client.token_sha256, client)
    return tuple(clients.values())


def _read(number: int, line: Any, shape: Shape) -> Client | None:
    where = f"client {number}"
    table = shape.table(line, where, KEYS)
    name, digest = shape.get(table, "name", str, where), shape.get(table, "tokenSha256", str, where)
    disabled = shape.get(table, "disabled", bool, where)
    if not table:
        return None
    if name is None or not _NAME.fullmatch(name):
        shape.wrong(where, "needs a name of letters, digits, dots, underscores and hyphens, at most 64.")
        return None
    if name == DEFAULT_CLIENT:
        shape.wrong(where, f"{DEFAULT_CLIENT!r} is the client of BEARER_TOKEN. Choose another name.")
        return None
    if digest is None or not _DIGEST.fullmatch(digest):
        shape.wrong(
            f"client {name!r}",
            "tokenSha256 must be the SHA-256 of its token in 64 hex digits: printf %s TOKEN | sha256sum",
        )
        return None
    if bytes.fromhex(digest) == _OF_NOTHING:
        shape.wrong(f"client {name!r}", "tokenSha256 is that of an empty token. Make a token first.")
        return None
    return Client(ClientId(name), bytes.fromhex(digest), disabled is True)
