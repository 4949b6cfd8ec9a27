"""Durations as people write them."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.duration import LONGEST_DAYS, format_duration, parse_duration
from portero.errors import Invalid


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("30m", 1_800),
        ("1h", 3_600),
        ("2h30m", 9_000),
        ("90m", 5_400),
        ("2d", 172_800),
        ("1d1h1m1s", 90_061),
        ("10M", 600),
        (" 5m ", 300),
        ("0h5m", 300),
        ("366d", 366 * 86_400),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds * 1_000


@pytest.mark.parametrize(
    "text",
    ["", "5", "h", "m5", "5 m", "30m2h", "1h1h", "1.5h", "-5m", "+5m", "1w", "5min", "٣m", "2h30", "9" * 5_000 + "s"],
)
def test_what_is_no_duration_is_refused_with_a_hint(text):
    with pytest.raises(Invalid, match=r"is not a duration\. Write 45s, 30m, 1h, 2h30m or 2d"):
        parse_duration(text)


def test_no_time_at_all_is_refused():
    with pytest.raises(Invalid, match="no time at all"):
        parse_duration("0h0m")


@pytest.mark.parametrize("text", ["367d", "999999999d", "366d1s"])
def test_too_long_a_time_is_refused(text):
    with pytest.raises(Invalid, match="at most 366d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (999, "0s"),
        (-5, "0s"),
        (1_999, "1s"),
        (5_400_000, "1h30m"),
        (86_400_000, "1d"),
        (90_061_000, "1d1h1m1s"),
    ],
)
def test_a_duration_is_written(ms, text):
    assert format_duration(ms) == text


@for_all(st.integers(1, LONGEST_DAYS * 86_400))
def test_what_is_written_is_read_back(seconds):
    assert parse_duration(format_duration(seconds * 1_000)) == seconds * 1_000


@for_all(st.text("0123456789dhms ", max_size=8))
def test_anything_is_read_or_refused(text):
    try:
        ms = parse_duration(text)
    except Invalid:
        return
    assert ms > 0
