"""What clients hand back to us, sealed: made by a replica of this log, for this client and this purpose, or refused."""

import hashlib
import hmac
import secrets
from typing import Final

from portero.domain.ids import ClientId
from portero.log import Log, Note

MAC_CHARACTERS: Final = 32
"""Hex digits; 128 bits."""


class Sealer:
    """All replicas of one log share the key, which lies beside the log."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def of(cls, log: Log) -> "Sealer":
        """Raises LogUnavailable."""
        return cls(bytes.fromhex(await Note(log, "sealing-key").claim(secrets.token_hex(32))))

    def mac(self, purpose: str, client: ClientId, body: str) -> str:
        """The seal of ``body``."""
        text = f"{purpose}\0{client}\0{body}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:MAC_CHARACTERS]

    def sealed(self, purpose: str, client: ClientId, body: str) -> str:
        """``body``, a dot, and its seal."""
        return f"{body}.{self.mac(purpose, client, body)}"

    def opened(self, purpose: str, client: ClientId, text: str) -> str | None:
        """The body of a sealed text; None when it was not sealed here for this purpose and client."""
        body, _, mac = text.rpartition(".")
        if not mac.isascii() or not hmac.compare_digest(mac, self.mac(purpose, client, body)):
            return None
        return body
