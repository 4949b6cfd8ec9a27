"""Leave to run a server of which there must be one instance: it can end at any moment, and nothing is sent then."""

from typing import Final, Protocol

ENDED: Final = "this replica may not run it any more"


class Permit(Protocol):
    """Given by whoever knows which replica runs the server."""

    @property
    def valid(self) -> bool:
        """Whether it holds in this very moment: asked directly before anything is sent."""

    def watch(self, group: int) -> None:
        """This process group is the server's: it must not outlive the permit, not even if this process is stopped."""

    def release(self) -> None:
        """Nothing is left of the group."""
