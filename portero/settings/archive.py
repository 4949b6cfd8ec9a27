"""Where the log is archived, and what stays on its stream: ``PORTERO_ARCHIVE`` and its companions."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from portero.settings.environment import Environment

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
_BUCKET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_OFF: Final = frozenset({"off", "no", "none", "false", "0"})

SECRETS: Final = ("access_key_id", "secret_access_key", "session_token")


@attrs.frozen
class ArchiveSettings:
    """``folder`` or ``bucket`` with ``prefix``; without the credentials an instance's own role is used."""

    folder: Path | None
    bucket: str = ""
    prefix: str = ""
    options: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    events: int = 10_000
    """A segment has at most so many."""
    after_ms: int = HOUR_MS
    """An event is archived when it is so old, also when it is one of few."""
    keep: int = 20_000
    """So many of the newest events stay on the stream, archived or not."""
    retention_ms: int | None = None
    """Segments whose newest event is older are removed; None: never."""

    def __str__(self) -> str:
        return str(self.folder) if self.folder else f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(self.options[name] for name in SECRETS if name in self.options)


def archive_named(env: Environment, text: str, cwd: Path) -> ArchiveSettings:
    """The archive that somebody names: a folder or ``s3://bucket/prefix``."""
    return _place(env, text, cwd, cwd)


def archive(env: Environment, cwd: Path, data_dir: Path, *, embedded: bool) -> ArchiveSettings | None:
    """None: the log is not archived, and its stream is never trimmed.

    Unset, the embedded store has its archive beside it. Replicas on a store of the user's have no place in common that
    Portero could know of, so there it must be named.
    """
    text = env.text("PORTERO_ARCHIVE")
    events = env.number("PORTERO_ARCHIVE_EVENTS", 10_000, 10, 1_000_000)
    after = env.duration_ms("PORTERO_ARCHIVE_AFTER", HOUR_MS)
    keep = env.number("PORTERO_STREAM_KEEP", 20_000, 100, 1_000_000_000)
    days = env.number("PORTERO_ARCHIVE_RETENTION_DAYS", 0, 1, 36_500)
    if (text is None and not embedded) or (text is not None and text.lower() in _OFF):
        return None
    place = _place(env, text, cwd, data_dir)
    return attrs.evolve(place, events=events, after_ms=after, keep=keep, retention_ms=days * DAY_MS or None)


def _place(env: Environment, text: str | None, cwd: Path, data_dir: Path) -> ArchiveSettings:
    if text is None:
        return ArchiveSettings(data_dir / "archive")
    if "://" not in text:
        folder = (cwd / Path(text).expanduser()).resolve()
        if folder.exists() and not folder.is_dir():
            env.problems.append(f"PORTERO_ARCHIVE is {folder}, which is not a folder.")
        return ArchiveSettings(folder)
    found = _BUCKET.fullmatch(text)
    if found is None:
        env.problems.append("PORTERO_ARCHIVE must be a folder, s3://bucket/prefix, or off.")
        return ArchiveSettings(data_dir / "archive")
    given = {
        "access_key_id": env.text("AWS_ACCESS_KEY_ID"),
        "secret_access_key": env.text("AWS_SECRET_ACCESS_KEY"),
        "session_token": env.text("AWS_SESSION_TOKEN"),
        "region": env.text("AWS_REGION") or "us-east-1",
        "endpoint": env.url("AWS_ENDPOINT_URL", ("https", "http")),
    }
    options = {name: value for name, value in given.items() if value is not None}
    if ("access_key_id" in options) != ("secret_access_key" in options):
        env.problems.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or neither.")
    return ArchiveSettings(None, found[1], (found[2] or "").strip("/"), options)
