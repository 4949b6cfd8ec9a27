"""Lists in pages: any replica goes on from the cursor of any other, also when its list is not the same.

A list is in the order of its places, and a cursor says which place was the last: the next page is what comes behind it
in the list as it is then. So what was there all the time is shown once, whatever came, went or was denied meanwhile,
also the item that the cursor was made of.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw

from portero.domain.ids import ClientId
from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway.exchange.request import Request
from portero.gateway.sealing import Sealer

PURPOSE: Final = "cursor"


class Pages:
    """Cursors are sealed for their client and their list. In them is a place that the client was shown, no more."""

    def __init__(self, sealer: Sealer, size: int) -> None:
        self._sealer, self._size = sealer, size

    def page(self, request: Request, member: str, places: Sequence[str], bodies: Sequence[bytes]) -> dict[str, Any]:
        """The page that the request's cursor asks for, as members of the result.

        ``places`` are those of ``bodies``: each once, in the order of their code points, which all replicas share.
        """
        start = 0
        if request.value("cursor") not in (None, ""):  # an empty cursor is none: clients send it for the first page
            start = bisect_right(places, self.read(member, request.client, request.text("cursor")))
        stop = start + self._size
        members: dict[str, Any] = {member: [Raw(body) for body in bodies[start:stop]]}
        if stop < len(bodies):
            members["nextCursor"] = self.cursor(member, request.client, places[stop - 1])
        return members

    def cursor(self, member: str, client: ClientId, after: str) -> str:
        """The place after ``after`` in the list of this name."""
        sealed = self._sealer.sealed(f"{PURPOSE} {member}", client, after)
        return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")

    def read(self, member: str, client: ClientId, text: str) -> str:
        """Raises RpcError when it was not made for this list and client."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except (binascii.Error, ValueError):
            sealed = ""
        after = self._sealer.opened(f"{PURPOSE} {member}", client, sealed)
        if after is None:
            raise RpcError(INVALID_PARAMS, "The cursor is not valid. Use one from nextCursor, or none.")
        return after
