"""This machine: Python, the data folder, the disk, the programs that servers are started with, the certificate."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portero.cli.doctor.certificate import days_left
from portero.cli.doctor.finding import Finding, fail, ok, warn
from portero.settings.values import Settings, UpstreamConfig

OLDEST_PYTHON: Final = (3, 11)
LITTLE_BYTES: Final = 1 << 30
TOO_LITTLE_BYTES: Final = 100 << 20
SOON_DAYS: Final = 21


def python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info >= OLDEST_PYTHON:
        return ok("Python", version)
    return fail("Python", f"{version} is too old", "Install Python 3.11 or newer, and Portero with it.")


def data_folder(folder: Path) -> Finding:
    """Everything that was ever asked and decided lies in it, so it is for its owner alone."""
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        if os.access(parent, os.W_OK):
            return ok("data folder", f"{folder} does not exist yet; the first start makes it")
        return fail("data folder", f"{folder} cannot be made", f"Make {parent} writable, or set PORTERO_DATA_DIR.")
    found = folder.stat()
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return fail("data folder", f"{folder} cannot be written by this user", f"Run: chown {os.geteuid()} {folder}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return warn("data folder", f"{folder} can be read by other users", f"Run: chmod 700 {folder}")
    return ok("data folder", f"{folder}, for its owner alone")


def disk(folder: Path) -> Finding:
    place = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / (1 << 30):.1f} GiB free for {folder}"
    todo = "Make room, or move the data folder (PORTERO_DATA_DIR): without room nothing can be logged, so nothing runs."
    if free < TOO_LITTLE_BYTES:
        return fail("disk", text, todo)
    return warn("disk", text, todo) if free < LITTLE_BYTES else ok("disk", text)


def programs(settings: Settings) -> Iterator[Finding]:
    """Whether the commands of the servers can be found, each along the PATH that its server gets."""
    for upstream in settings.upstreams:
        if upstream.command is not None and not upstream.disabled:
            yield _program(upstream, upstream.command)
    for text in settings.skipped:
        yield warn("skipped", text, "Set it in .env, or take the entry out of the configuration.")
    for text in settings.warnings:
        yield warn("configuration", text, "Change it if it is not meant so.")


def _program(upstream: UpstreamConfig, command: str) -> Finding:
    about = f"server {upstream.name}"
    found = shutil.which(command, path=upstream.env.get("PATH", os.environ.get("PATH")))
    if found is not None:
        return ok(about, f"is started with {found}")
    known = {"npx": "Install Node.js.", "node": "Install Node.js.", "uvx": "Install uv.", "docker": "Install Docker."}
    hint = known.get(command, f"Install {command}, or write its full path into mcps.json.")
    return fail(about, f"its command {command} is not on the PATH", hint)


def certificate(settings: Settings) -> Finding | None:
    """None where plain HTTP is served."""
    if settings.ssl_cert is None or settings.ssl_key is None:
        return None
    days = days_left(settings.ssl_cert, settings.ssl_key)
    if days is None:
        return warn("certificate", "it can be loaded, but not until when it is valid", "Look at it with openssl x509.")
    if days < 0:
        return fail("certificate", f"{settings.ssl_cert} expired {-days} days ago", "Renew it, then restart Portero.")
    text = f"{settings.ssl_cert} is valid for {days} days"
    return warn("certificate", text, "Renew it soon.") if days < SOON_DAYS else ok("certificate", text)
