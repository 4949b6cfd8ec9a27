"""What this server says of itself to clients that look for a way to sign in. Source: RFC 9728 and RFC 6750.

It takes tokens that were handed out beforehand, so the metadata names no authorization server. Observed: Claude Code
with its header configured never looks here, and without one ends at once with the text of our refusal; a client that
finds the metadata asks less in vain than one that does not.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Guard

from portero.gateway import wire
from portero.gateway.http.bodies import Header

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
REALM: Final = b'Bearer realm="portero"'
INVALID: Final = b'error="invalid_token", error_description="The token is not one of this server\'s"'
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
"""What may stand in a quoted string and in an address as it is."""


def origin_of(scheme: str, headers: Mapping[bytes, bytes]) -> str | None:
    """How the client has addressed us, such as ``https://portero.example.com``; None when that cannot be repeated.

    A proxy that ends TLS says so in ``X-Forwarded-Proto``. Nothing rests on it: whoever asks is told what it said.
    """
    host = headers.get(b"host", b"").decode("latin-1")
    forwarded = headers.get(b"x-forwarded-proto", b"").decode("latin-1").lower()
    if not _HOST.fullmatch(host):
        return None
    return f"{forwarded if forwarded in {'http', 'https'} else scheme}://{host}"


def challenge(scheme: str, path: str, headers: Mapping[bytes, bytes]) -> Header:
    """The ``WWW-Authenticate`` header of a 401: how to sign in, and what was wrong with the token that was given."""
    parts = [REALM]
    if b"authorization" in headers:
        parts.append(INVALID)
    if (origin := origin_of(scheme, headers)) is not None:
        parts.append(f'resource_metadata="{origin}{WELL_KNOWN}{path}"'.encode())
    return b"www-authenticate", b", ".join(parts)


def metadata_routes(paths: tuple[str, ...], guard: Guard) -> list[HTTPRouteHandler]:
    """One for each path of the endpoint, and one for the server as a whole."""

    def route(path: str) -> HTTPRouteHandler:
        @get(f"{WELL_KNOWN}{path}", sync_to_thread=False, guards=[guard])
        def metadata(request: Request[Any, Any, Any]) -> Response[bytes]:
            origin = origin_of(request.scope["scheme"], dict(request.scope["headers"]))
            known = {"resource_name": "Portero", "bearer_methods_supported": ["header"]}
            document = known if origin is None else {"resource": f"{origin}{path}", **known}
            return Response(wire.encode(document), media_type="application/json", headers={"cache-control": "no-store"})

        return metadata

    return [route(path) for path in ("", *paths)]
