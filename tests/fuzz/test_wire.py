"""Whatever comes over the wire: an answer that may be given, no effect but the one that was answered, and no end."""

import pytest
from hypothesis import given

from tests.fuzz.effort import effort, once_more
from tests.fuzz.exchanges import exchanges
from tests.fuzz.found import FOUND
from tests.fuzz.raw_http import Exchange
from tests.fuzz.victim import Victim


@pytest.mark.parametrize("exchange", FOUND)
def test_what_was_found(victim: Victim, exchange: Exchange) -> None:
    victim.judge(victim.exchange(exchange))
    victim.lives()


@effort(150)
@given(exchanges())
def test_almost_requests(victim: Victim, exchange: Exchange) -> None:
    once_more("connections")
    victim.judge(victim.exchange(exchange))
    victim.lives()
