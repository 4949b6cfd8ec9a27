"""The targets of the fuzzer, on their examples and on bytes like them; ``make fuzz`` goes on where this ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.effort import effort
from tests.fuzz.target import CUT, Target
from tests.fuzz.targets import TARGETS

NAMES = pytest.mark.parametrize("name", TARGETS)
TOKENS = [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"\\ud83d", b"null", b"1e9", b"\n", b"\x00", b"\xff"]


@st.composite
def like(draw: st.DrawFn, target: Target) -> bytes:
    """One of the examples, with pieces of it or of another cut out, doubled, put elsewhere or replaced."""
    data = draw(st.sampled_from(target.examples))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        other = draw(st.sampled_from(target.examples))
        first, last = sorted((draw(st.integers(0, len(other))), draw(st.integers(0, len(other)))))
        piece = draw(st.sampled_from([b"", other[first:last], CUT]) | st.sampled_from(TOKENS) | st.binary(max_size=6))
        data = data[:start] + piece + data[draw(st.sampled_from([start, end])) :]
    return data


@NAMES
def test_the_examples(name: str) -> None:
    for example in TARGETS[name].examples:
        TARGETS[name].run(example)


@NAMES
def test_what_is_like_the_examples(name: str) -> None:
    target = TARGETS[name]

    @effort(60)
    @given(like(target))
    def run(data: bytes) -> None:
        target.run(data)

    run()
