"""Segments in a folder: a file appears whole and on disk under its name, or not at all, and is never replaced."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from portero.errors import ArchiveError, SegmentDamaged
from portero.log.archive.reading import LARGEST_BYTES
from portero.log.runtime import private_folder

T = TypeVar("T")

NEW: Final = ".new-"
STALE_SECONDS: Final = 3600
"""Files that are being written are younger than this."""


class FolderStorage:
    """Made when the first segment is written. ``folder`` belongs to the archive alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    async def names(self) -> list[str]:
        return await self._do(self._names)

    async def read(self, name: str) -> bytes:
        return await self._do(lambda: self._read(name))

    async def create(self, name: str, data: bytes) -> bool:
        return await self._do(lambda: self._create(name, data))

    async def remove(self, name: str) -> None:
        await self._do(lambda: (self.folder / name).unlink(missing_ok=True))

    async def sweep(self) -> None:
        await self._do(self._sweep)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ArchiveError(f"The archive {self.folder} cannot be used: {error.strerror or error}.") from error

    def _names(self) -> list[str]:
        if not self.folder.exists():
            return []
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(NEW))

    def _read(self, name: str) -> bytes:
        with (self.folder / name).open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_BYTES:
                raise SegmentDamaged(name, "unreadable", "it is larger than any segment")
            return file.read()

    def _create(self, name: str, data: bytes) -> bool:
        private_folder(self.folder)
        handle, path = tempfile.mkstemp(prefix=NEW, dir=self.folder)
        new = Path(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o400)
                os.fsync(file.fileno())
            try:
                os.link(new, self.folder / name)  # where os.replace would overwrite, this refuses
                created = True
            except FileExistsError:
                created = False
        finally:
            new.unlink()
        entries = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)
        return created

    def _sweep(self) -> None:
        if not self.folder.exists():
            return
        for path in self.folder.glob(f"{NEW}*"):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink(missing_ok=True)
