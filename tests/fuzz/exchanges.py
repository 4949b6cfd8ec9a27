"""Hypothesis strategies for what goes over one connection: requests, framed properly and improperly, one or several."""

from hypothesis import strategies as st

from tests.fuzz.almost import REQUESTS, TASKS, Headers, altered, altered_bytes, altered_headers, proper, rendered
from tests.fuzz.raw_http import Exchange

LINES = [
    *([b"POST /mcp HTTP/1.1"] * 12),
    *(
        b"POST /mcp/message HTTP/1.1",
        b"POST /mcp?a=b HTTP/1.1",
        b"POST http://localhost/mcp HTTP/1.1",
        b"POST /mcp HTTP/1.0",
    ),
    *(
        b"GET /mcp HTTP/1.1",
        b"DELETE /mcp HTTP/1.1",
        b"PUT /mcp HTTP/1.1",
        b"OPTIONS /mcp HTTP/1.1",
        b"PATCH * HTTP/1.1",
    ),
    *(b"POST /mcp/ HTTP/1.1", b"POST //mcp HTTP/1.1", b"POST /MCP HTTP/1.1", b"POST /mcp%2Fmessage HTTP/1.1"),
    *(b"POST / HTTP/1.1", b"POST /mcp/../mcp HTTP/1.1", b"POST /register HTTP/1.1", b"GET /.well-known/x HTTP/1.1"),
    *(b"post /mcp HTTP/1.1", b"POST /mcp", b"POST /mcp HTTP/9.9", b"\x16\x03\x01\x02\x00", b"POST /mc\xffp HTTP/1.1"),
]


VERSIONS = [b"2025-11-25", b"2025-11-25", b"2025-06-18", b"2025-03-26", b"2024-11-05", None]
"""Of the older era; one of them has batches."""


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, Headers]:
    """A message of either era, and its headers, with up to three things wrong."""
    method, params = draw(st.sampled_from(REQUESTS))
    modern, capabilities = draw(st.booleans()), draw(st.sampled_from([{}, TASKS]))
    version = draw(st.sampled_from(VERSIONS))
    message, headers = proper(method, params, modern=modern, capabilities=capabilities, version=version)
    wrong = draw(st.lists(st.sampled_from(["message", "message", "bytes", "headers"]), max_size=3))
    for _ in range(wrong.count("message")):
        message = draw(altered(message))
    body = rendered(message)
    if "bytes" in wrong:
        body = draw(altered_bytes(body))
    if "headers" in wrong:
        headers = draw(altered_headers(headers))
    return body, headers


def head(line: bytes, headers: Headers) -> bytes:
    return b"\r\n".join([line, *(name + b": " + value for name, value in headers)]) + b"\r\n\r\n"


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def chunked(parts: list[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + end


CHUNKED = (b"transfer-encoding", b"chunked")
TRAILERS = [b"0\r\n\r\n", b"0;a=b\r\nauthorization: Bearer x\r\nmcp-name: fx/forbidden\r\n\r\n"]
LENGTHS = [b"-1", b"1e3", b"0x10", b"", b"1, 1", b"9" * 30, b"\xb2"]
NEVER_HTTP = b"\x00"
"""Behind a body whose end is not where it was said to be: nothing can be made of it."""


def length(body: bytes, *, off: int = 0) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % (len(body) + off)


@st.composite
def framed(draw: st.DrawFn, line: bytes, headers: Headers, body: bytes) -> bytes:
    """A request that ends where it ends, or is none."""
    how = draw(st.sampled_from(["length"] * 6 + ["chunked", "chunked", "long", "both", "bad", "none"]))
    if how == "length":
        return head(line, [*headers, length(body)]) + body
    if how == "chunked":
        return head(line, [*headers, CHUNKED]) + chunked(draw(pieces_of(body)), draw(st.sampled_from(TRAILERS)))
    if how == "both":
        return head(line, [*headers, *draw(st.permutations([length(body), CHUNKED]))]) + chunked([body])
    less = {
        "long": [length(body, off=-draw(st.integers(0, len(body))))],
        "bad": [(b"content-length", draw(st.sampled_from(LENGTHS)))],
        "none": [],
    }[how]
    return head(line, [*headers, *less]) + body + NEVER_HTTP


@st.composite
def open_ended(draw: st.DrawFn, line: bytes, headers: Headers, body: bytes) -> bytes:
    """A request of which more is promised than comes."""
    if draw(st.booleans()):
        return head(line, [*headers, length(body, off=draw(st.integers(1, 100)))]) + body
    whole = head(line, [*headers, CHUNKED]) + chunked(draw(pieces_of(body)))
    return whole[: draw(st.integers(0, len(whole) - 1))]


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Up to three requests without waiting for the answers."""
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    stays_open = draw(st.integers(0, 9)) == 0
    sent = []
    for number in range(count):
        body, headers = draw(bodies())
        line = draw(st.sampled_from(LINES)) if draw(st.integers(0, 3)) == 0 else LINES[0]
        last = number == count - 1
        headers += [(b"connection", b"close")] if last else []
        sent.append(draw((open_ended if last and stays_open else framed)(line, headers, body)))
    return Exchange(draw(pieces_of(b"".join(sent))), count - 1 if stays_open else None)
