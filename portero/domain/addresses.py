"""Addresses of resources as servers may read them: many spellings open the same thing, and policies look at all of it.

``normal`` is what RFC 3986 (section 6.2.2) and browsers make of one: no program that knows URIs tells those spellings
apart. ``loose`` is what careless ones do beyond that, such as decoding ``%2F`` or not looking at case. Readings are
compared only; what is sent, shown and kept is what was written. They take any text, also patterns and templates, in
time that grows with its length.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from portero.domain.normalize import normalize


class Reading(NamedTuple):
    """``whole`` reads an address, ``inside`` a text of which parts are missing, as a pattern with stars."""

    whole: Callable[[str], str]
    inside: Callable[[str], str]


LONGEST: Final = 8_192
"""Characters of an address that is taken at all; HTTP servers allow about as much."""

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+")
_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)?(?://([^/?#]*))?([^?#]*)(.*)", re.DOTALL)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):(/*)", re.DOTALL)
_HEAD: Final = re.compile(r"[^/?#]*(?://[^/?#]*)?")
_AUTHORITY: Final = re.compile("[^/?#]*")
_PORT: Final = re.compile(r":([0-9]*)\Z")
_SLASHES: Final = re.compile("//+")
_BREAKS: Final = re.compile("[\t\n\r]+")
_BLANK: Final = "".join(map(chr, range(0x21)))
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f]+")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
_WITH_HOST: Final = frozenset(_DEFAULT_PORTS)
_ROUNDS: Final = 4
"""How often ``loose`` decodes: nobody decodes an address more often than that."""


def normal(uri: str) -> str:
    """RFC 3986: escapes of plain characters decoded, hex digits and case in one form, ``.`` and ``..`` resolved.

    Also without a port that is empty or the scheme's own, without doubled slashes in the path, and with what browsers
    do to any text: line breaks and tabs are left out, and ``\\`` is ``/``.
    """
    match = _PARTS.fullmatch(_as_browsers(uri))
    if match is None:  # it matches everything
        return uri
    scheme, authority, path, rest = match.groups()
    scheme, path = (scheme or "").lower(), _escapes(path)
    if authority is not None:
        user, at, host = authority.rpartition("@")
        authority = f"//{_escapes(user)}{at}{_without_port(_lower(host), scheme[:-1])}"
        path = path or ("/" if scheme[:-1] in _WITH_HOST else "")
    if path.startswith("/"):
        path = _SLASHES.sub("/", _resolved(path))
    return f"{scheme}{authority or ''}{path}{_escapes(rest)}"


def loose(uri: str) -> str:
    """What is left when all escapes are decoded and nothing counts that some server leaves out of account.

    That is case, Unicode's compatibility forms, characters that cannot be seen, the number of slashes, who logs in,
    and ``.`` and ``..`` in whatever stands behind the host. Doubled slashes are one before ``..`` counts, as in a file
    system.
    """
    return _loose(uri, lambda path: _resolved(_SLASHES.sub("/", path)))


def loose_by_segment(uri: str) -> str:
    """The same, but ``..`` takes back an empty segment too, as the RFC has it."""
    return _loose(uri, lambda path: _SLASHES.sub("/", _resolved(path)))


def loose_at_last(uri: str) -> str:
    """``loose`` for who decodes after ``..`` has been resolved."""
    return loose(normal(uri))


def _loose(uri: str, resolved: Callable[[str], str]) -> str:
    text = loose_inside(uri).strip()
    match = _SCHEME.match(text)
    if match is None:
        return resolved(text)
    scheme, slashes = match[1], len(match[2])
    rest = text[match.end() :]
    if slashes == 0 and scheme not in _WITH_HOST and scheme != "file":
        return f"{scheme}:{resolved(rest).rstrip('?#')}"
    host = ""
    if scheme in _WITH_HOST or slashes == 2:
        authority = _AUTHORITY.match(rest)[0]  # type: ignore[index] # it matches everything
        rest = rest[len(authority) :]
        host = _without_port(authority.rpartition("@")[2], scheme).rstrip(".")
        host = ".".join(map(_unpunycoded, host.split(".")))
        if scheme == "file" and host == "localhost":
            host = ""
    path = resolved(f"/{rest}") if rest or scheme in _WITH_HOST else ""
    return f"{scheme}://{host}{path}".rstrip("?#")


def normal_inside(text: str) -> str:
    """``normal`` for a text of which parts are missing, as between the stars of a pattern: nothing is resolved."""
    text = _as_browsers(text)
    head = _HEAD.match(text)[0]  # type: ignore[index] # it matches everything
    return _lower(head) + _escapes(text[len(head) :])


def loose_inside(text: str) -> str:
    """``loose`` for such a text."""
    for _ in range(_ROUNDS):
        decoded = _ESCAPES.sub(_decoded, text)
        if decoded == text:
            break
        text = decoded
    if not text.isascii():
        text = normalize("NFKC", text).replace("。", ".")
    text = normalize("NFKC", text.casefold())
    return _UNSEEN.sub("", text).replace("\\", "/")


READINGS: Final = (
    Reading(normal, normal_inside),
    Reading(loose, loose_inside),
    Reading(loose_by_segment, loose_inside),
    Reading(loose_at_last, loose_inside),
)


def _as_browsers(text: str) -> str:
    return _BREAKS.sub("", text).strip(_BLANK).replace("\\", "/")


def _escapes(text: str) -> str:
    return _ESCAPE.sub(_escape, text) if "%" in text else text


def _escape(match: re.Match[str]) -> str:
    char = chr(int(match[0][1:], 16))
    return char if char in _UNRESERVED else match[0].upper()


def _decoded(match: re.Match[str]) -> str:
    """Bytes that are no UTF-8 become lone surrogates, which are compared like all else."""
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape")


def _lower(text: str) -> str:
    return _escapes(_escapes(text).lower())


def _without_port(host: str, scheme: str) -> str:
    match = _PORT.search(host)
    if match is None or match[1].lstrip("0") not in {"", _DEFAULT_PORTS.get(scheme)}:
        return host
    return host[: match.start()]


def _resolved(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    if "/." not in path and not path.startswith("."):
        return path
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return ("/" if path.startswith("/") else "") + "/".join(kept)


def _unpunycoded(label: str) -> str:
    """Of a host's name; one that is no longer than DNS allows, because decoding takes the square of its length."""
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").casefold()
    except UnicodeError:
        return label
