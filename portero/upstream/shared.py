"""What replicas know of a server that one of them runs for all."""

from collections.abc import Callable

import attrs

from portero.upstream.session.listing import Listing


@attrs.frozen
class Shared:
    """``key``: where it is kept, and the same only where all of it is. ``watchable``: it tells of changed resources."""

    listing: Listing
    watchable: bool
    key: str


Share = Callable[[str, Listing, bool], Shared]
"""Makes it of what an upstream offers that runs here: its name, its lists, whether it tells of changed resources."""
