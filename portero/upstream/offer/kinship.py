"""Whose an address may be that is in no list: servers also link to what they do not list, mostly beside what they do.

Nothing of what they have returned is remembered: what decides is the lists, so every replica says the same.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from portero.domain.addresses import READINGS

WELL_KNOWN: Final = frozenset(
    {
        *("blob", "data", "file", "jar", "javascript", "unix", "view-source"),
        *("dict", "ftp", "ftps", "git", "gopher", "http", "https", "nfs", "rsync", "rtsp", "scp", "sftp", "smb", "svn"),
        *("imap", "imaps", "ldap", "ldaps", "mailto", "pop3", "pop3s", "smtp", "smtps", "ssh", "telnet", "tftp"),
        *("jdbc", "mongodb", "mssql", "mysql", "oracle", "postgres", "postgresql", "redis", "rediss"),
        *("tcp", "udp", "ws", "wss"),
    }
)
"""Schemes that many programs know how to follow, to places that have nothing to do with what a server lists."""
_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?")
_ENDED: Final = re.compile(r"[^:]*:(?://[^/?#]*[/?#]|(?!/?\Z|//))")
"""What begins with this has its authority in it whole, or has none."""


class Family(NamedTuple):
    """How an address begins, in small letters. ``authority`` None: that cannot be said."""

    scheme: str
    authority: str | None


def family(uri: str) -> Family | None:
    """Of an address that a client has written; None where not all who read it would agree on the scheme."""
    read = {_family(text) for text in (uri, *(reading.whole(uri) for reading in READINGS))}
    found = [one for one in read if one is not None]
    if len(found) < len(read) or len({one.scheme for one in found}) != 1:
        return None
    return found[0] if len(found) == 1 else Family(found[0].scheme, None)


class Kinship:
    """``places``: for each server the addresses and templates that it lists, also those that another server has.

    ``unknown``: the servers that have not said yet what they list.
    """

    def __init__(self, places: Iterable[tuple[str, str]] = (), unknown: Iterable[str] = ()) -> None:
        self.unknown = tuple(unknown)
        self._places = tuple(places)
        self._servers: dict[Family, set[str]] | None = None

    def closest(self, wanted: Family) -> frozenset[str]:
        """The servers that list something of this scheme and authority; if there are none, of this scheme."""
        servers = self._servers = self._servers or self._by_family()
        return frozenset(servers.get(wanted) or servers.get(Family(wanted.scheme, None)) or ())

    def _by_family(self) -> dict[Family, set[str]]:
        """Asked for rarely, so it is made when it is: 1 µs for each place."""
        servers: dict[Family, set[str]] = defaultdict(set)
        for server, text in self._places:
            literal, opened, _ = text.partition("{")
            if (found := _family(literal)) is not None:
                servers[Family(found.scheme, None)].add(server)
                if not opened or _ENDED.match(literal):
                    servers[found].add(server)
        return dict(servers)


def _family(text: str) -> Family | None:
    match = _URI.match(text)
    return Family(match[1].lower(), (match[2] or "").lower()) if match is not None else None
