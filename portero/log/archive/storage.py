"""Where segments lie: what a folder and an object store have in common."""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from portero.errors import ArchiveError, SegmentDamaged
from portero.log.archive.place import Bucket


class Storage(Protocol):
    """Holds files by name, each written once. Every method raises ArchiveError when that cannot be done now."""

    async def names(self) -> list[str]:
        """Everything that lies there, in the order of the names."""

    async def read(self, name: str) -> bytes:
        """All of it. Raises FileNotFoundError when there is none such, SegmentDamaged for one that is far too large."""

    async def create(self, name: str, data: bytes) -> bool:
        """Durable when it returns. False: there is one of that name, and it stays as it is."""

    async def remove(self, name: str) -> None:
        """Does nothing when there is none such."""

    async def sweep(self) -> None:
        """Removes what a process that died in the middle of ``create`` left behind."""


def storage_at(place: Path | Bucket) -> Storage:
    """Nothing is opened or made yet."""
    if isinstance(place, Path):
        from portero.log.archive.folder import FolderStorage

        return FolderStorage(place)
    from portero.log.archive.bucket import BucketStorage

    return BucketStorage(place)


async def prove(storage: Storage) -> None:
    """Makes sure that segments can be written and never be overwritten. Raises ArchiveError that says why not."""
    token = secrets.token_hex(8)
    name, data = f"probe-{token}", f"A trial of Portero's, {token}: this can be removed.\n".encode()
    taken = not await storage.create(name, data)
    try:
        if (
            taken and await _read(storage, name) != data
        ):  # or else an answer was lost, and it was put there all the same
            raise ArchiveError(f"The archive {storage} says of a new name that it is taken.")
        if await storage.create(name, b"overwritten\n"):
            raise ArchiveError(
                f"The archive {storage} overwrites what is there, although it was asked not to: it does not honour "
                "If-None-Match. Use a store that does, or a folder."
            )
    finally:
        with suppress(ArchiveError):  # a store that lets nobody remove anything is a good one for an archive
            await storage.remove(name)


async def _read(storage: Storage, name: str) -> bytes | None:
    try:
        return await storage.read(name)
    except (FileNotFoundError, SegmentDamaged):
        return None
