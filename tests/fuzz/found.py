"""What has been found once, and what is looked for in vain by chance: tried first, each time."""

from typing import Any

from tests.fuzz.almost import MODERN, REQUESTS, Headers, proper, rendered
from tests.fuzz.exchanges import CHUNKED, LINES, NEVER_HTTP, chunked, head, length
from tests.fuzz.raw_http import Exchange
from tests.fuzz.victim import FAKE, MAIL, OWNER

CLOSE = (b"connection", b"close")
DO = REQUESTS[0]


def sent(method: str, params: dict[str, Any], *more: tuple[bytes, bytes], modern: bool = False) -> bytes:
    message, headers = proper(method, params, modern=modern, capabilities={})
    return framed(rendered(message), [*headers, *more])


def framed(body: bytes, headers: Headers) -> bytes:
    return head(LINES[0], [*headers, length(body)]) + body


def only(*requests: bytes) -> Exchange:
    return Exchange([b"".join(requests)], None)


def _quoting() -> list[Exchange]:
    """Errors that quote what they are about, where that is a real."""
    found = []
    for modern in (False, True):
        for said in (MAIL, OWNER, f"fx/{MAIL}", f"{FAKE} is {MAIL}"):
            named = [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")]
            if modern and not said.isascii():
                continue  # its header would have to be encoded
            found += [only(sent(method, {member: said}, CLOSE, modern=modern)) for method, member in named]
            found.append(only(sent(said, {}, CLOSE, modern=modern)))
    message, headers = proper("tools/list", {}, modern=True, capabilities={})
    other = [(name, value.replace(MODERN.encode(), MAIL.encode())) for name, value in headers]
    found.append(only(framed(rendered(message).replace(MODERN.encode(), MAIL.encode()), [*other, CLOSE])))
    return found


def _headers() -> Headers:
    return proper(*DO, modern=False, capabilities={})[1]


FOUND = [
    # An answer in another's place: what is no request behind a call that runs.
    only(sent(*DO), NEVER_HTTP),
    only(sent(*DO), sent(*DO), head(LINES[0], [*_headers(), CHUNKED]) + b"zz\r\n"),
    only(sent(*DO), head(LINES[0], [*_headers(), length(b""), CHUNKED]) + chunked([b"{}"])),
    Exchange([sent(*DO), head(LINES[0], [*_headers(), length(b"{}", off=1)]) + b"{}"], 1),
    # Values where only texts were thought of.
    *(
        only(sent(method, {"cursor": cursor}, CLOSE, modern=modern))
        for method in ("tools/list", "prompts/list", "resources/list")
        for cursor in ([], {}, 0)
        for modern in (False, True)
    ),
    # Another protocol's offer, fields behind the body, and a version that is no text.
    only(sent(*DO, (b"connection", b"upgrade"), (b"upgrade", b"h2c")), sent(*DO, CLOSE)),
    only(head(LINES[0], [*_headers()[:1], CHUNKED, CLOSE]) + chunked([b"{}"], b"0\r\nauthorization: Bearer x\r\n\r\n")),
    *_quoting(),
]
