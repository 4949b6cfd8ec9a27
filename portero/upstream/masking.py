"""What log lines and errors of one upstream must not show: the replacement table's real values, and its own secrets."""

import re
from collections.abc import Callable
from typing import Final

from portero.settings import UpstreamConfig

HIDDEN: Final = "[hidden]"
_SHORTEST: Final = 6
"""Shorter values are left alone: hiding every "true" or "8080" would make the log unreadable."""


def masker(config: UpstreamConfig, mask: Callable[[str], str]) -> Callable[[str], str]:
    """``mask``, and every secret of the server's own entry hidden: its ``env`` and its headers."""
    values = set(config.env.values())
    for value in config.headers.values():
        values |= {value, value.rpartition(" ")[2]}  # "Bearer abc": the token may also stand alone
    secrets = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)
    if not secrets:
        return mask
    pattern = re.compile("|".join(map(re.escape, secrets)))
    return lambda text: pattern.sub(HIDDEN, mask(text))
