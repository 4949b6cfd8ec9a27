"""A child process in a session of its own, and its end: stdin closed, SIGTERM, SIGKILL, for the whole group."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import attrs

_POLL_SECONDS: Final = 0.02
_KILL_SECONDS: Final = 1.0
_PROC: Final = Path("/proc")


@attrs.frozen
class Hooks:
    """What a child's owner wants to know. ``on_exit`` gets the exit code (negative: the signal)."""

    on_stdout: Callable[[bytes], None]
    on_stdout_end: Callable[[], None]
    on_stdin_end: Callable[[], None]
    on_stderr: Callable[[bytes], None]
    on_exit: Callable[[int], None]
    on_writable: Callable[[bool], None]


class ChildProcess(asyncio.SubprocessProtocol):
    """Callbacks instead of streams: a stream reader costs a task switch per line."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self.pid = 0

    @classmethod
    async def start(cls, command: str, args: Sequence[str], env: Mapping[str, str], hooks: Hooks) -> "ChildProcess":
        """Start it. Raises ``OSError`` (no such command, not executable, …), ``ValueError`` (a NUL in an argument)."""
        if any("\0" in text for text in (command, *args, *env.values())):
            raise ValueError("embedded null byte")  # uvloop would cut the text there, and say nothing
        child = cls(hooks)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            command,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(env),
            # npx makes three processes, and a Ctrl-C at our terminal is not meant for servers with calls under way.
            start_new_session=True,
        )
        return child

    def write(self, data: bytes) -> None:
        if self._stdin is not None:
            self._stdin.write(data)

    async def stop(self, grace: float) -> None:
        """End it and everything it started. ``grace``: seconds between closing stdin, SIGTERM and SIGKILL."""
        try:
            if self._stdin is not None:
                self._stdin.close()
                self._stdin = None
            if not await self._gone(grace):
                self._signal(signal.SIGTERM)
                if not await self._gone(grace):
                    self._signal(signal.SIGKILL)
                    await self._gone(_KILL_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
            if self._transport is not None:
                self._transport.close()

    async def _gone(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.wait([self._exited], timeout=seconds)
        while self._alive():
            if loop.time() >= until:
                return False
            await asyncio.sleep(_POLL_SECONDS)  # the rest of the group is not ours to wait for
        return True

    def _alive(self) -> bool:
        if not self.pid:
            return False
        if not self._exited.done():
            return True
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not _only_zombies(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        if not self.pid:
            return  # never started: group 0 would be our own
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # all gone, or not ours any more

    # --- asyncio's side ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._hooks.on_stdout(data)
        else:
            self._hooks.on_stderr(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._stdin = None
            self._hooks.on_stdin_end()
        elif fd == 1:
            self._hooks.on_stdout_end()

    def process_exited(self) -> None:
        code = self._transport.get_returncode() if self._transport is not None else None
        if not self._exited.done():
            self._exited.set_result(code or 0)
            self._hooks.on_exit(code or 0)

    def pause_writing(self) -> None:
        self._hooks.on_writable(False)

    def resume_writing(self) -> None:
        self._hooks.on_writable(True)


def _only_zombies(group: int) -> bool:
    """Whether nothing of a group runs any more: in a container without an init, nobody reaps what children leave.

    Source: the fields ``state`` and ``pgrp`` of /proc/PID/stat; False where there is no such thing.
    """
    found = False
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended while we looked
        if int(its_group) == group:
            found = True
            if state not in "ZX":
                return False
    return found
