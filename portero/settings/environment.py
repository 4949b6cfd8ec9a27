"""The environment: the process's own, with ``.env`` of the working directory behind it, read as typed values."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from portero.domain.duration import parse_duration
from portero.errors import Invalid

T = TypeVar("T")

YES: Final = frozenset({"1", "true", "yes", "on"})
NO: Final = frozenset({"0", "false", "no", "off"})

OURS: Final = frozenset(
    {
        "PORTERO_ALLOWED_HOSTS",
        "PORTERO_ALLOWED_ORIGINS",
        "PORTERO_ARCHIVE",
        "PORTERO_ARCHIVE_AFTER",
        "PORTERO_ARCHIVE_EVENTS",
        "PORTERO_ARCHIVE_RETENTION_DAYS",
        "PORTERO_CONFIG_DIR",
        "PORTERO_DATA_DIR",
        "PORTERO_DEBUG",
        "PORTERO_FSYNC",
        "PORTERO_LEASE_SECONDS",
        "PORTERO_MAX_BODY_BYTES",
        "PORTERO_NAME",
        "PORTERO_PYTHON",
        "PORTERO_RESULT_RETENTION",
        "PORTERO_RETRY_READ_ONLY",
        "PORTERO_STREAM_KEEP",
        "PORTERO_TELEGRAM_SHOW_REAL",
        "PORTERO_TOOL_NAMES",
    }
)
"""Every name of ours that begins with ``PORTERO_``; a similar one is probably a slip."""


def with_dotenv(environ: Mapping[str, str], folder: Path, problems: list[str]) -> dict[str, str]:
    """``environ`` over the variables of ``folder/.env``. A name set in both, even to nothing, is the former's."""
    path = folder / ".env"
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for binding in parse_stream(file):
                if binding.error:
                    text = binding.original.string
                    line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
                    problems.append(f".env, line {line}: this is not NAME=value.")
                elif binding.key is not None and binding.value is not None:
                    found[binding.key] = binding.value
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f".env cannot be read: {error}.")
    return found | dict(environ)


class Environment:
    """Reads one variable at a time. An empty one counts as unset; what cannot be used goes to ``problems``."""

    def __init__(self, values: Mapping[str, str], problems: list[str]) -> None:
        self.values = values
        self.problems = problems

    def text(self, name: str) -> str | None:
        return self.values.get(name, "").strip() or None

    def _parsed(self, name: str, default: T, parse: Callable[[str], T], wanted: str) -> T:
        """The value is not shown in the problem: it may hold a password, or belong to another variable."""
        given = self.text(name)
        if given is None:
            return default
        try:
            return parse(given)
        except ValueError:
            self.problems.append(f"{name} must be {wanted}.")
            return default

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        def parse(text: str) -> int:
            if not re.fullmatch(r"[0-9]{1,15}", text) or not lowest <= int(text) <= highest:
                raise ValueError
            return int(text)

        return self._parsed(name, default, parse, f"a whole number from {lowest} to {highest}")

    def whole(self, name: str) -> int | None:
        """Any whole number, or None when unset: identifiers of Telegram, where those of groups are negative."""
        return self._parsed(name, None, _whole, "a whole number")

    def wholes(self, name: str) -> tuple[int, ...]:
        def parse(text: str) -> tuple[int, ...]:
            return tuple(_whole(part) for part in _parts(text))

        return self._parsed(name, (), parse, "whole numbers with commas between")

    def flag(self, name: str, *, default: bool) -> bool:
        def parse(text: str) -> bool:
            if text.lower() not in YES | NO:
                raise ValueError
            return text.lower() in YES

        return self._parsed(name, default, parse, "true or false")

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        known = tuple(choices)

        def parse(text: str) -> str:
            if text.lower() not in known:
                raise ValueError
            return text.lower()

        return self._parsed(name, default, parse, f"one of {', '.join(known)}")

    def duration_ms(self, name: str, default: int) -> int:
        given = self.text(name)
        try:
            return parse_duration(given) if given else default
        except Invalid as error:
            self.problems.append(f"{name}: {error}")
            return default

    def names(self, name: str) -> tuple[str, ...]:
        """Texts with commas between."""
        return _parts(self.text(name) or "")

    def url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        wanted = f"an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        return self._parsed(name, None, lambda text: checked_url(text, schemes), wanted)

    def warn_of_slips(self, warnings: list[str]) -> None:
        """Names that look like one of ours; others may be meant for the configuration files."""
        for name in sorted(self.values):
            if name.startswith("PORTERO_") and name not in OURS:
                near = difflib.get_close_matches(name, sorted(OURS), 1, 0.8)
                if near:
                    warnings.append(f"{name} is set, but Portero knows no such variable. Is {near[0]} meant?")


def checked_url(text: str, schemes: tuple[str, ...]) -> str:
    """Raises ValueError unless it has one of the schemes, a host and a port that can be."""
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or parts.port == 0 or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
