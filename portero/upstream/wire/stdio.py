"""The pump to a local server: one line per message, written as it is and passed on as it came."""

import asyncio
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from portero.errors import UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.upstream.limits import Limits
from portero.upstream.permit import ENDED, Permit
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.calls import Call
from portero.upstream.wire.environment import child_environment
from portero.upstream.wire.lines import Lines
from portero.upstream.wire.peer import Peer
from portero.upstream.wire.process import ChildProcess, Hooks
from portero.upstream.wire.stderr import StderrLog

log = structlog.get_logger("portero.upstream")

_BATCH: Final = 64 * 1024
"""Bytes handed over at once: what asyncio takes before it asks for a pause."""
_LAST_WORDS_SECONDS: Final = 0.5
"""How long a dying server's pipes are still read: an answer may stand in them."""

# Where servers put the id: first (Python) or last (TypeScript). Inside of a string neither could stand unescaped.
_ID_FIRST: Final = re.compile(rb'\{"jsonrpc": ?"2\.0", ?"id": ?"?(\d{1,18})"?, ?"(?:result|error)"')
_ID_LAST: Final = re.compile(rb'"jsonrpc": ?"2\.0", ?"id": ?"?(\d{1,18})"?\}\s*$')


class StdioTransport:
    """Owns the child process. Set ``peer`` before ``start``."""

    peer: Peer

    def __init__(
        self,
        config: UpstreamConfig,
        limits: Limits,
        mask: Callable[[str], str],
        environ: Mapping[str, str],
        permit: Permit | None = None,
    ) -> None:
        self._config, self._permit = config, permit
        self._limit, self._environ = limits.message_bytes, environ
        self.stderr = StderrLog(config.name, mask)
        self._lines = Lines(self._limit, self._line, self._too_long)
        self._child: ChildProcess | None = None
        self._queue: deque[tuple[Call | None, bytes]] = deque()
        self._flushing = self._paused = False
        self._ending: asyncio.TimerHandle | None = None
        self._how = ""
        self._output_open, self._has_exited = True, False
        self._loop = asyncio.get_running_loop()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        config = self._config
        command = config.command or ""
        hooks = Hooks(
            on_stdout=self._lines.feed,
            on_stdout_end=self._stdout_ended,
            on_stdin_end=lambda: self._end_soon("it closed its input"),
            on_stderr=self.stderr.feed,
            on_exit=self._exited,
            on_writable=self._writable,
        )
        env = child_environment(self._environ, config.env)
        try:
            self._child = await ChildProcess.start(command, config.args, env, hooks)
        except FileNotFoundError as error:
            raise UpstreamUnavailable(
                f"the command {command!r} is not there: install it, or correct 'command'."
            ) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UpstreamUnavailable(f"the command {command!r} cannot be started: {reason}.") from error
        if self._permit is not None:
            self._permit.watch(self._child.pid)

    async def stop(self, grace: float) -> None:
        if self._child is not None:
            await self._child.stop(grace)
            if self._permit is not None:
                self._permit.release()
        if self._ending is not None:
            self._ending.cancel()
        self.stderr.end()

    # --- Transport -------------------------------------------------------------------------------------------------

    def send(self, call: Call, message: bytes) -> None:
        if self._ending is not None:
            self.peer.fail(call, UpstreamUnavailable(f"{self._config.name} is ending; nothing was sent."))
            return
        self._put(call, message)

    def post(self, message: bytes) -> None:
        if self._ending is None:
            self._put(None, message)

    def speak(self, protocol: str | None, modern: bool) -> None:
        """A pipe says nothing of versions beside the messages themselves."""

    def cancel(self, call: Call, reason: str) -> None:
        if call.sent:
            self.post(jsonrpc.cancelled(call.id, reason))
        else:
            self._queue = deque(item for item in self._queue if item[0] is not call)

    # --- writing ---------------------------------------------------------------------------------------------------

    def _put(self, call: Call | None, message: bytes) -> None:
        self._queue.append((call, message))
        if not self._flushing and not self._paused:
            # What is sent in one turn of the loop leaves in one write.
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._permit is not None and not self._permit.valid:
            self._refuse(f"{self._config.name}: {ENDED}; nothing was sent.")
        queue, child = self._queue, self._child
        while queue and not self._paused and child is not None and self._ending is None:
            batch: list[bytes] = []
            size = 0
            while queue and size < _BATCH:
                call, message = queue.popleft()
                if call is not None:
                    call.sent = True
                batch += (message, b"\n")
                size += len(message)
            child.write(b"".join(batch))

    def _refuse(self, reason: str) -> None:
        refused, self._queue = self._queue, deque()
        for call, _ in refused:
            if call is not None:
                self.peer.fail(call, UpstreamUnavailable(reason))
        self._end_soon(ENDED)

    def _writable(self, writable: bool) -> None:
        self._paused = not writable
        if writable:
            self._flush()

    # --- reading ---------------------------------------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        self.peer.received(line)

    def _too_long(self, head: bytes, tail: bytes, size: int) -> None:
        limit = self._limit
        log.warning("a message is too long", upstream=self._config.name, bytes=size, limit=limit)
        found = _ID_FIRST.match(head) or _ID_LAST.search(tail)
        if found is not None:
            self.peer.fail_id(int(found[1]), f"it answered with {size} bytes, more than the {limit} that are taken")

    # --- its end ---------------------------------------------------------------------------------------------------

    def _stdout_ended(self) -> None:
        self._output_open = False
        self._lines.end()
        self._end_soon("it closed its output")
        if self._has_exited:
            self._lost()

    def _exited(self, code: int) -> None:
        self._has_exited = True
        self._end_soon("it ended")
        self._how = _how_it_ended(code)
        if not self._output_open:
            self._lost()

    def _end_soon(self, how: str) -> None:
        """It is going: take nothing more, but read what it has already written, and learn its exit code."""
        if self._ending is None:
            self._how = how
            self._ending = self._loop.call_later(_LAST_WORDS_SECONDS, self._lost)

    def _lost(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        last = self.stderr.last
        self.peer.lost(f"{self._how} ({last[-1]})" if last else self._how)


def _how_it_ended(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"it was ended by signal {name}"
    return f"it ended with exit code {code}"
