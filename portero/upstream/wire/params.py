"""The ``_meta`` of requests to upstreams: our progress token and, for a modern server, who we are and what we can."""

from typing import Final

import msgspec
from msgspec import Raw

from portero.domain.mcp import CLIENT_CAPABILITIES_META, CLIENT_INFO_META, PROTOCOL_VERSION_META

OURS: Final = frozenset({"progressToken", PROTOCOL_VERSION_META, CLIENT_INFO_META, CLIENT_CAPABILITIES_META})
"""Members of a client's ``_meta`` that speak of the client's own connection; they never reach an upstream."""

_members = msgspec.json.Decoder(dict[str, Raw])


def with_meta(params: bytes, meta: bytes) -> bytes:
    """``params`` (a JSON object) with the members ``meta`` (``"key":value,…``) in its ``_meta``.

    The caller's own ``_meta`` is kept, less what is ours to say.
    """
    # Taken apart only where a "_meta" may be in it, plain or spelled with \u00xx escapes: that saves about 2 µs.
    if params.startswith(b'{"') and b'_meta"' not in params and b"\\u00" not in params:
        return b'{"_meta":{%b},%b' % (meta, params[1:]) if meta else params
    members = _members.decode(params) if params else {}
    given = members.pop("_meta", None)
    kept = {} if given is None or bytes(given) == b"null" else _members.decode(given)
    kept = {key: value for key, value in kept.items() if key not in OURS}
    own = _members.decode(b"{%b}" % meta) if meta else {}
    if kept or own:
        members = {"_meta": Raw(msgspec.json.encode({**kept, **own}))} | members
    return msgspec.json.encode(members)


def without_progress_token(params: bytes) -> bytes:
    """A progress notification's params as they may be shown to another party: our token is none of its business."""
    members = _members.decode(params)
    members.pop("progressToken", None)
    return msgspec.json.encode(members)
