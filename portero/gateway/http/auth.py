"""Who a request comes from: bearer tokens, kept and compared as digests."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import attrs

from portero.domain.ids import ClientId
from portero.settings import DEFAULT_CLIENT, Secret, Settings

SCHEME: Final = b"bearer"
DIGEST_BYTES: Final = 32


def token_digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


@attrs.frozen
class Credential:
    """A client and the SHA-256 of its token; a client may have several, while tokens are exchanged."""

    client: ClientId
    digest: bytes = attrs.field(repr=False)


def credentials_of(settings: Settings, token: Secret) -> list[Credential]:
    """``token`` is that of the client named ``default``; the others are known by their digests."""
    named = [Credential(client.name, client.token_sha256) for client in settings.clients if not client.disabled]
    return [Credential(DEFAULT_CLIENT, token_digest(token.reveal().encode())), *named]


class Clients:
    """Finds the client that a token belongs to.

    Every known digest is compared in constant time, without stopping at a match. Digests that have passed are
    remembered: looking one up shows an attacker nothing, for its bits cannot be chosen without knowing the token.
    """

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._credentials = tuple(credentials)
        self._known: dict[bytes, ClientId] = {}

    def authenticate(self, authorization: bytes | None) -> ClientId | None:
        """The client that the value of an ``Authorization`` header proves, or None."""
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != SCHEME or not token:
            return None
        digest = token_digest(token.strip())
        return self._known.get(digest) or self._compare(digest)

    def _compare(self, digest: bytes) -> ClientId | None:
        found: ClientId | None = None
        for credential in self._credentials:
            if hmac.compare_digest(credential.digest, digest):
                found = credential.client
        if found is not None:
            self._known[digest] = found
        return found
