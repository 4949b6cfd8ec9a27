"""Segments in an S3-compatible object store, by conditional puts."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from portero.errors import ArchiveError, SegmentDamaged
from portero.log.archive.place import Bucket
from portero.log.archive.reading import LARGEST_BYTES

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT_SECONDS: Final = 60
RETRY_SECONDS: Final = 10
RETRIES: Final = 4
"""The archivist itself tries again; this is for a packet that was lost."""
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")


class BucketStorage:
    """``obstore`` is imported with the first use: 11 ms."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._made: S3Store | None = None

    def __str__(self) -> str:
        return str(self._bucket)

    async def names(self) -> list[str]:
        import obstore

        async with self._errors():
            pages = obstore.list(self._store())
            found = [item["path"] async for page in pages for item in page]
        return sorted(name for name in found if "/" not in name)

    async def read(self, name: str) -> bytes:
        import obstore

        async with self._errors():
            try:
                found = await obstore.get_async(self._store(), name)
            except FileNotFoundError as error:
                if "NoSuchKey" not in str(error):
                    raise
                data = None
            else:
                if found.meta["size"] > LARGEST_BYTES:
                    raise SegmentDamaged(name, "unreadable", "it is larger than any segment")
                data = bytes(await found.bytes_async())
        if data is None:
            raise FileNotFoundError(name)
        return data

    async def create(self, name: str, data: bytes) -> bool:
        """A retry after a lost answer may find the object that it made itself: whoever is told False looks at it."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        async with self._errors():
            try:
                await obstore.put_async(self._store(), name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    async def remove(self, name: str) -> None:
        import obstore

        async with self._errors():
            await obstore.delete_async(self._store(), name)

    async def sweep(self) -> None:
        """An object is there whole or not at all."""

    def _store(self) -> "S3Store":
        if self._made is None:
            from obstore.store import S3Store

            plain = self._bucket.options.get("endpoint", "").startswith("http://")
            self._made = S3Store(
                self._bucket.name,
                prefix=self._bucket.prefix or None,
                config=dict(self._bucket.options),  # type: ignore[arg-type] # its names are checked where they are read
                client_options={"timeout": timedelta(seconds=TIMEOUT_SECONDS), "allow_http": plain},
                retry_config={"retry_timeout": timedelta(seconds=RETRY_SECONDS), "max_retries": RETRIES},
            )
        return self._made

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        """The library's errors as ours. Their texts hold addresses and answers of the store, and no credentials."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise ArchiveError(f"The archive {self} cannot be used: {_short(error)}") from error


def _short(error: Exception) -> str:
    """The first line of a text that goes on with what the library had in its hands, and what the store calls it."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    code = _CODE.search(str(error))
    return first.partition(": <?xml")[0][:300] + (f", {code[1]}" if code else "")
