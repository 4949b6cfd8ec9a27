"""Which archive a command works on, and with which log beside it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from handlers.upkeep.archiving import archive_place
from portero.cli.place import Place
from portero.domain.ids import ReplicaId
from portero.errors import ArchiveError, ConfigError
from portero.log import Log, open_log
from portero.log.archive import Storage, storage_at
from portero.settings.archive import ArchiveSettings, archive_named
from portero.settings.environment import Environment, with_dotenv


def storage_named(text: str) -> Storage:
    """The archive that is named on the command line. Raises ConfigError, or ArchiveError for a folder that is none."""
    problems: list[str] = []
    cwd = Path.cwd()
    found = archive_named(Environment(with_dotenv(os.environ, cwd, problems), problems), text, cwd)
    if problems:
        raise ConfigError(*problems)
    if found.folder is not None and not found.folder.is_dir():
        raise ArchiveError(f"There is no folder {found.folder}.")
    return _storage(found)


def storage_configured(place: Place) -> Storage:
    """The archive of this place. Raises ArchiveError when there is none."""
    if place.archive is None:
        raise ArchiveError("No archive is configured. Set PORTERO_ARCHIVE, or name one with --archive.")
    return _storage(place.archive)


def _storage(settings: ArchiveSettings) -> Storage:
    place = archive_place(settings)
    assert place is not None  # noqa: S101 - only where nothing is configured
    return storage_at(place)


def has_store(place: Place) -> bool:
    """Whether there is, or may be, a log beside the archive."""
    return place.redis_url is not None or (place.data_dir / "store").is_dir()


@asynccontextmanager
async def log_of(place: Place, *, archive: bool) -> AsyncIterator[Log]:
    """The log of this place; the embedded store is started for the time where it does not run. Nothing is decided."""
    async with open_log(
        place.redis_url.reveal() if place.redis_url else None,
        ReplicaId(f"audit-{os.getpid()}"),
        data=place.data_dir,
        name=place.store_name,
        fsync=place.fsync,
        archive=archive_place(place.archive) if archive else None,
    ) as log:
        yield log
