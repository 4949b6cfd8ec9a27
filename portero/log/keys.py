"""The names of all that Portero keeps in the store: one hash tag, so that one script may touch it all on a cluster."""

import binascii
import re
from typing import Final

import attrs

from portero.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@attrs.frozen
class Keys:
    """Keys of one log. ``name`` is what the braces hold, so that several gateways can share a store."""

    name: str
    prefix: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"The store name {self.name!r} cannot be used: take up to 64 letters, digits, dots, dashes or _."
            )
        object.__setattr__(self, "prefix", f"portero:{{{self.name}}}:")

    @property
    def head(self) -> str:
        """Hash: ``id``, ``seq``, ``entry`` and ``policy`` of the log, the event up to which it was ``trimmed``, and the
        marks that tell stale writers apart."""
        return self.prefix + "head"

    @property
    def log(self) -> str:
        """Stream: every event."""
        return self.prefix + "log"

    @property
    def timers(self) -> str:
        """Sorted set: aggregate by due time in ms."""
        return self.prefix + "timers"

    @property
    def snapshot(self) -> str:
        """Hash: where the newest snapshot of the projections is."""
        return self.prefix + "snapshot"

    def snapshot_data(self, name: str) -> str:
        """List: the snapshot itself, in chunks."""
        return f"{self.prefix}snapshot:{name}"

    def aggregate(self, aggregate: str) -> str:
        """String: version, last sequence and last write id of one aggregate."""
        return f"{self.prefix}a:{aggregate}"

    def work(self, stream: str) -> str:
        """Stream with a consumer group: pointers to events that somebody must act on."""
        return f"{self.prefix}work:{stream}"

    def blob(self, key: str) -> str:
        """String with a time to live: arguments or a result too big for the log."""
        return f"{self.prefix}blob:{key}"

    def lease(self, name: str) -> str:
        """String with a time to live: who holds the lease."""
        return f"{self.prefix}lease:{name}"

    def note(self, name: str) -> str:
        """String: what the holder of a lease leaves for the next one."""
        return f"{self.prefix}note:{name}"

    def mail(self, replica: str) -> str:
        """Stream with a time to live: messages that this replica has not read yet."""
        return f"{self.prefix}mail:{replica}"

    def epoch(self, name: str) -> str:
        """Counter: how often the lease changed hands."""
        return f"{self.prefix}epoch:{name}"

    def void(self, connection: str) -> str:
        """String with a time to live: nothing that still comes from this connection is written."""
        return f"{self.prefix}void:{connection}"

    @property
    def slot(self) -> int:
        """The cluster slot of all these keys: CRC16 (XMODEM) of the hash tag, modulo 16384."""
        return binascii.crc_hqx(self.name.encode(), 0) % 16384
