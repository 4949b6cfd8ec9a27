"""Log lines: one JSON object each, or readable ones on a terminal; no secret and no real value in any of them."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog

QUIET: Final = ("uvicorn.access", "httpx", "httpx2", "httpcore", "asyncio", "mcp")
"""Libraries that say too much at the level of their users."""


def configure_logging(level: str, scrub: Callable[[str], str], stream: TextIO = sys.stderr) -> None:
    """Sends every log line of the process, also those of libraries, to ``stream``.

    ``scrub`` gets every text of a line, tracebacks included, and returns it without secrets and real values.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _Scrubber(scrub),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    render = structlog.dev.ConsoleRenderer() if stream.isatty() else _render_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Scrubber:
    """The last look at a line: every text in it, keys too, however deep."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub

    def __call__(self, _: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key in list(line):
            if not key.startswith("_"):  # structlog's own
                line[key] = self._clean(line[key])
        return line

    def _clean(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {self._scrub(str(key)): self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        return self._scrub(value if isinstance(value, str) else str(value))


def _render_json(_: object, __: str, line: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(dict(line)).decode()
