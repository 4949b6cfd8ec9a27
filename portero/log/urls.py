"""Where a ``REDIS_URL`` points, read once and checked: one server, one behind Sentinels, or a cluster."""

from enum import StrEnum
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from portero.errors import ConfigError
from portero.log.wire import Address, Login

FORMS: Final = (
    "redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path[?db=0], "
    "redis+sentinel://[user:password@]host:port[,host:port…]/service[/db], redis+cluster://[user:password@]host:port[,host:port…]"
)


_TLS_OPTIONS: Final = (
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_password",
)


class Shape(StrEnum):
    """Who says where the writable server is."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@attrs.frozen
class Target:
    """A store, as its URL describes it. ``seeds``: the server itself, or those that know where it is."""

    shape: Shape
    seeds: tuple[Address, ...]
    login: Login
    service: str = ""
    """The name that the Sentinels know it by."""
    sentinel_login: Login = attrs.field(factory=Login)


def parse_url(url: str) -> Target:
    """Raises ConfigError that says what is wrong, without showing the password."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        target = _target(parts, options)
        target.login.context()  # certificate files that cannot be read are found out now
    except (ValueError, OSError) as error:
        raise ConfigError(f"REDIS_URL cannot be used: {error}. It looks like one of: {FORMS}.") from error
    if options:
        raise ConfigError(f"REDIS_URL has options that mean nothing here: {', '.join(sorted(options))}.")
    return target


def _target(parts: SplitResult, options: dict[str, str]) -> Target:
    scheme, _, shape = parts.scheme.partition("+")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if scheme not in {"redis", "rediss", "unix"} or shape not in {"", "sentinel", "cluster"}:
        raise ValueError(f"{parts.scheme or 'nothing'}:// is not a way to reach a store")
    if scheme == "unix":
        if not parts.path or parts.hostname or shape:
            raise ValueError("a unix socket needs three slashes and a path")
        login = Login(username, password, _number("db", options.pop("db", "0")))
        return Target(Shape.SINGLE, (Address(path=unquote(parts.path)),), login)
    tls = _tls(options) if scheme == "rediss" else None
    path = [unquote(step) for step in parts.path.split("/")[1:] if step]
    service = ""
    if shape == "sentinel":
        if not path:
            raise ValueError("the name of the service that the Sentinels watch is missing after the last /")
        service = path.pop(0)
    db = _number("db", options.pop("db", path.pop(0) if path else "0"))
    if path:
        raise ValueError(f"{'/'.join(path)!r} at the end means nothing")
    if shape == "cluster" and db:
        raise ValueError("a cluster has no databases to choose from")
    seeds = _seeds(parts, 26379 if shape == "sentinel" else 6379)
    if not shape and len(seeds) > 1:
        raise ValueError("several servers need redis+sentinel:// or redis+cluster://")
    sentinel = Login(options.pop("sentinel_username", None), options.pop("sentinel_password", None), tls=tls)
    return Target(Shape(shape or "single"), seeds, Login(username, password, db, tls), service, sentinel)


def _seeds(parts: SplitResult, port: int) -> tuple[Address, ...]:
    seeds = []
    for place in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{place}")
        if not one.hostname:
            raise ValueError("a host name is missing")
        seeds.append(Address(host=one.hostname, port=one.port or port))
    return tuple(seeds)


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{name} must be a number, not {text!r}")
    return int(text)


def _tls(options: dict[str, str]) -> dict[str, Any]:
    """The options of redis-py's own URLs: ``ssl_cert_reqs``, ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``, …"""
    tls: dict[str, Any] = {name: options.pop(name) for name in _TLS_OPTIONS if name in options}
    if tls.get("ssl_cert_reqs", "required") not in {"required", "optional", "none"}:
        raise ValueError(f"ssl_cert_reqs is required or none, not {tls['ssl_cert_reqs']!r}")
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"].lower() not in {"false", "0", "no"}
    return tls
