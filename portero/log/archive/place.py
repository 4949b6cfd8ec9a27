"""Where an archive may be, beside a folder."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Bucket:
    """A place in an S3-compatible object store. ``options`` are the library's own names; they may hold secrets."""

    name: str
    prefix: str
    options: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")
