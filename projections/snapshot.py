"""The view as bytes: a line that names the format, then compressed MessagePack."""

import hashlib
import zlib
from typing import Final

import attrs
import msgspec

from portero.domain.admin import Lock
from portero.domain.archive import Archived
from portero.domain.owner import Owner
from portero.domain.rule import Rule
from portero.errors import SnapshotUnreadable
from projections.activity import ActivityState
from projections.admins import AdminsState
from projections.calls import CallsState
from projections.config import Loaded
from projections.grants import GrantsState
from projections.recent import RecentState
from projections.replicas import Replica
from projections.sessions import SessionsState
from projections.upstreams import UpstreamsState

FORMAT: Final = 6
"""Raise it with every change to what a state means. An older or newer snapshot is not read; the log is."""

_NAME: Final = b"portero view "


@attrs.frozen
class Snapshot:
    """All that the view holds, each list in the order that matters."""

    seq: int
    entry: str
    policy_version: int
    locked: Lock | None
    archived: Archived | None
    calls: CallsState
    grants: GrantsState
    rules: tuple[Rule, ...]
    recent: tuple[RecentState, ...]
    activity: ActivityState
    upstreams: UpstreamsState
    owners: tuple[Owner, ...]
    replicas: tuple[Replica, ...]
    config: tuple[Loaded, ...]
    admins: AdminsState
    sessions: SessionsState


_encoder: Final = msgspec.msgpack.Encoder(order="deterministic")
_decoder: Final = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    return b"%s%d\n" % (_NAME, FORMAT) + zlib.compress(_encoder.encode(snapshot), 1)


def decode(data: bytes) -> Snapshot:
    """Raises SnapshotUnreadable."""
    head, _, body = data.partition(b"\n")
    if head != b"%s%d" % (_NAME, FORMAT):
        raise SnapshotUnreadable(f"The snapshot is of another format than {FORMAT}; the view is built from the log.")
    try:
        return _decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise SnapshotUnreadable(f"The snapshot is damaged ({error}); the view is built from the log.") from error


def digest(snapshot: Snapshot) -> str:
    """SHA-256, hex. The entry id is left out: it names a place in one store, and a log may be kept in another."""
    return hashlib.sha256(_encoder.encode(attrs.evolve(snapshot, entry=""))).hexdigest()
