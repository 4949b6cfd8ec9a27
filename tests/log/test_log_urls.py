"""A REDIS_URL says where the store is, or is refused with the reason and without its password."""

import ssl

import pytest

from portero.errors import ConfigError
from portero.log.urls import Shape, parse_url
from portero.log.wire import Address


@pytest.mark.parametrize(
    ("url", "shape", "seeds", "login"),
    [
        ("redis://localhost", Shape.SINGLE, "localhost:6379", (None, None, 0)),
        ("redis://h:1234/3", Shape.SINGLE, "h:1234", (None, None, 3)),
        ("redis://[::1]:7", Shape.SINGLE, "::1:7", (None, None, 0)),
        ("redis://:p%40ss@h", Shape.SINGLE, "h:6379", (None, "p@ss", 0)),
        ("redis://user:pass@h?db=2", Shape.SINGLE, "h:6379", ("user", "pass", 2)),
        ("rediss://h", Shape.SINGLE, "h:6379", (None, None, 0)),
        ("unix:///run/redis.sock", Shape.SINGLE, "/run/redis.sock", (None, None, 0)),
        ("unix://u:p@/run/a%20b?db=1", Shape.SINGLE, "/run/a b", ("u", "p", 1)),
        ("redis+sentinel://a:1,b/main/4", Shape.SENTINEL, "a:1 b:26379", (None, None, 4)),
        ("redis+sentinel://:p@a/main?sentinel_password=q", Shape.SENTINEL, "a:26379", (None, "p", 0)),
        ("redis+cluster://u:p@a:1,b:2", Shape.CLUSTER, "a:1 b:2", ("u", "p", 0)),
        ("rediss+cluster://a", Shape.CLUSTER, "a:6379", (None, None, 0)),
    ],
)
def test_what_a_url_says(url: str, shape: Shape, seeds: str, login: tuple[object, ...]) -> None:
    target = parse_url(url)
    assert target.shape is shape
    assert " ".join(map(str, target.seeds)) == seeds
    assert (target.login.username, target.login.password, target.login.db) == login
    assert (target.login.tls is not None) == url.startswith("rediss")


def test_sentinels_have_a_service_and_a_password_of_their_own() -> None:
    target = parse_url("redis+sentinel://:p@a/main?sentinel_password=q&sentinel_username=s")
    assert (target.service, target.sentinel_login.username, target.sentinel_login.password) == ("main", "s", "q")


def test_a_certificate_is_demanded_unless_said_otherwise() -> None:
    strict, lax = parse_url("rediss://h").login.context(), parse_url("rediss://h?ssl_cert_reqs=none").login.context()
    assert strict is not None
    assert lax is not None
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
    named = parse_url("rediss://h?ssl_check_hostname=false").login.context()
    assert named is not None
    assert (named.verify_mode, named.check_hostname) == (ssl.CERT_REQUIRED, False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "nothing://"),
        ("localhost:6379", "localhost://"),
        ("http://h", "http://"),
        ("redis+magic://h", "redis"),
        ("redis://", "host name is missing"),
        ("redis://h:port", "REDIS_URL cannot be used"),
        ("redis://h/x", "db must be a number"),
        ("redis://h/1/2", "means nothing"),
        ("redis://a,b", "several servers"),
        ("redis://h?colour=blue", "colour"),
        ("unix://", "three slashes"),
        ("unix://run/redis.sock", "three slashes"),
        ("redis+sentinel://a", "name of the service"),
        ("redis+cluster://a/1", "no databases"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("rediss://h?ssl_ca_certs=/nowhere.pem", "No such file"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL") as refused:
        parse_url(url)
    assert why in str(refused.value)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_url("redis://user:hunter2@h/x")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(parse_url("redis://user:hunter2@h"))


def test_an_address_reads_as_people_write_it() -> None:
    assert (str(Address(path="/a")), str(Address(host="h", port=1))) == ("/a", "h:1")
