"""Host and Origin checks: a web page must not reach this server through a name that it made point here."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to
MAX_REMEMBERED: Final = 64


def host_name(authority: str) -> str:
    """The host of ``host:port`` or ``[::1]:port``, lower case and without brackets; empty when there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Origins:
    """Which ``Host`` and ``Origin`` headers are let through.

    On a loopback address only loopback names and ``allowed_hosts`` are hosts of ours. On other addresses any host is,
    unless ``allowed_hosts`` names some: the bearer token stands in front of everything there. An origin must be of the
    host that was asked for, of the loopback (where we listen there), or be named.
    """

    def __init__(self, listens_on: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        named = frozenset(host.lower() for host in hosts)
        address = listens_on.strip("[]").lower()
        self._loopback = address in LOOPBACK
        self._any_host = not self._loopback and not named
        self._hosts = named | LOOPBACK | (frozenset() if address in ANY_ADDRESS else {address})
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._remembered: set[tuple[bytes | None, bytes | None]] = set()

    def refusal(self, host: bytes | None, origin: bytes | None) -> str | None:
        """Why the request must not be answered, as a sentence; None when it may be."""
        if (host, origin) in self._remembered:
            return None
        refusal = self._refusal(host, origin)
        if refusal is None and len(self._remembered) < MAX_REMEMBERED:
            self._remembered.add((host, origin))
        return refusal

    def _refusal(self, host: bytes | None, origin: bytes | None) -> str | None:
        name = host_name((host or b"").decode("latin-1"))
        if not name:
            return "The request has no usable Host header."
        if not self._any_host and name not in self._hosts:
            return (
                "This server does not answer to the name in the Host header. "
                "If it shall, add the name to PORTERO_ALLOWED_HOSTS."
            )
        if origin is not None and not self._own_origin(origin.decode("latin-1").lower(), name):
            return "Pages of this origin may not talk to this server. If they shall, add it to PORTERO_ALLOWED_ORIGINS."
        return None

    def _own_origin(self, origin: str, host: str) -> bool:
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
            page = parts.hostname
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or page is None:
            return False
        return page == host or (self._loopback and page in LOOPBACK)
