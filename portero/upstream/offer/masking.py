"""What must not be seen of upstreams: real values and secrets, in log lines and errors, and in what they offer."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import msgspec

from portero.domain.replacement import Replacer
from portero.settings import UpstreamConfig
from portero.settings.secret import MASK

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


_ONE_WAY: Final = "it holds a value that is shown as something else than what stands for it, so nobody could ask for it"
_text: Final = msgspec.json.Decoder(str).decode


@attrs.frozen
class Masks:
    """How what upstreams offer is known here, to policies and to clients alike: with fakes in the place of reals.

    ``secrets``: texts, as they stand in JSON, that are hidden too.
    """

    replacer: Replacer
    secrets: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, replacer: Replacer, secrets: Sequence[str] = ()) -> "Masks":
        return cls(replacer, tuple(json.dumps(secret, ensure_ascii=False)[1:-1].encode() for secret in secrets))

    @property
    def alone(self) -> "Masks":
        """The same for what stays in this process."""
        return Masks(self.replacer)

    def definition(self, raw: bytes) -> bytes:
        """The very object where nothing is hidden in it."""
        masked = self.replacer.to_fake_result(raw)
        for secret in self.secrets:
            masked = masked.replace(secret, MASK.encode())
        return masked

    def name(self, name: str) -> str:
        """A name or an address. Raises ValueError, saying why it cannot be known by what would be shown of it."""
        raw = msgspec.json.encode(name)
        shown = self.definition(raw)
        if shown == raw:
            return name
        if shown != self.replacer.to_fake_stored(raw):
            raise ValueError(_ONE_WAY)
        return _text(shown)

    def template(self, uri: str) -> str:
        """A URI template: addresses are made of it as it is shown, and must be those that the upstream means."""
        shown = self.name(uri)
        if _text(self.replacer.to_real(msgspec.json.encode(shown))) != uri:
            raise ValueError("addresses made of it would not be those that it is for, once real values are put in")
        return shown
