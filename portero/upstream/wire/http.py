"""Streamable HTTP to a remote server: one POST per message, its answer as JSON or as an event stream, as it came."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any, Final

import httpx2
import msgspec
import structlog
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
    mcp_param_headers,
)
from msgspec import Raw

from portero.domain.mcp import NAME_MEMBERS, TASK_METHODS
from portero.errors import OutcomeLost, UpstreamRefused, UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.upstream.limits import Limits
from portero.upstream.permit import ENDED, Permit
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.calls import Call
from portero.upstream.wire.event_streams import EventStreams, read_bounded
from portero.upstream.wire.http_failures import moved_to, of_exception, of_status, said
from portero.upstream.wire.peer import Peer

log = structlog.get_logger("portero.upstream")

_CONNECT_SECONDS: Final = 10.0
_CONNECTIONS: Final = 256
_LATE_SECONDS: Final = 600.0
"""How long the answer to a call that nobody waits for any more is still read."""
_ACCEPT: Final = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_SESSION: Final = "mcp-session-id"
_NAMED_BY: Final = {**NAME_MEMBERS, **dict.fromkeys(TASK_METHODS, "taskId")}
"""By method: the member of the params that a header repeats."""
_VISIBLE: Final = re.compile(r"[!-~]+")
HeaderMaps = Callable[[str], dict[tuple[str, ...], str]]
"""Which arguments of a tool travel as headers, too: path of the argument -> name of the header."""


_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)


class HttpTransport:
    """Owns the HTTP client. Set ``peer`` before ``start``. No credentials travel but the configured headers."""

    peer: Peer
    pid: None = None

    def __init__(
        self, config: UpstreamConfig, limits: Limits, header_maps: HeaderMaps, permit: Permit | None = None
    ) -> None:
        self._config, self._permit = config, permit
        self._limit, self._header_maps = limits.message_bytes, header_maps
        self._url = config.url or ""
        self._protocol: str | None = None
        self._modern = False
        self._session: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._posts: dict[int, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._client = httpx2.AsyncClient(
            headers=dict(config.headers),
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=32),
        )
        self._streams = EventStreams(self._client, lambda: self._url, self._limit)

    async def start(self) -> None:
        """There is nothing to do before the first message."""

    async def stop(self, grace: float) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        if self._session is not None and not self._modern:
            try:
                async with asyncio.timeout(grace):
                    await self._client.delete(self._url, headers=self._headers())
            except (httpx2.HTTPError, TimeoutError) as error:
                log.info("the session could not be ended", upstream=self._config.name, error=type(error).__name__)
        await self._client.aclose()

    # --- Transport -------------------------------------------------------------------------------------------------

    def speak(self, protocol: str | None, modern: bool) -> None:
        self._protocol, self._modern = protocol, modern
        if protocol is None:
            self._session = None

    def send(self, call: Call, message: bytes) -> None:
        headers = self._headers()
        if self._modern:
            headers |= self._routing_headers(call)
        task = self._spawn(self._request(call, message, headers))
        self._posts[call.id] = task
        task.add_done_callback(lambda _: self._posts.pop(call.id, None))

    def post(self, message: bytes) -> None:
        self._spawn(self._tell(message, self._headers(), listen=b'"notifications/initialized"' in message[:80]))

    def cancel(self, call: Call, reason: str) -> None:
        task = self._posts.get(call.id)
        if task is None:
            return
        if self._modern or not call.sent:
            task.cancel()  # closing the response is the sign
        else:
            self.post(jsonrpc.cancelled(call.id, reason))
            self._loop.call_later(_LATE_SECONDS, task.cancel)

    # --- headers -----------------------------------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        headers = dict(_ACCEPT)
        if self._protocol is not None:
            headers[MCP_PROTOCOL_VERSION_HEADER] = self._protocol
        if self._session is not None:
            headers[_SESSION] = self._session
        return headers

    def _routing_headers(self, call: Call) -> dict[str, str]:
        """What the params say of themselves, and nothing else in them: they may hold a client's own members, too."""
        headers = {MCP_METHOD_HEADER: call.method}
        member = _NAMED_BY.get(call.method)
        if member is None:
            return headers
        try:
            params = _members.decode(call.params)
            name = _text.decode(params[member]) if member in params else None
            if name is not None:
                headers |= {MCP_NAME_HEADER: encode_header_value(name), **self._param_headers(call, name, params)}
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamUnavailable(f"The params cannot be read ({error}); nothing was sent.") from error
        return headers

    def _param_headers(self, call: Call, name: str, params: dict[str, Raw]) -> dict[str, str]:
        header_map = self._header_maps(name) if call.method == "tools/call" else {}
        if not header_map or "arguments" not in params:
            return {}
        return mcp_param_headers(header_map, msgspec.json.decode(params["arguments"]))

    # --- posting -----------------------------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _request(self, call: Call, message: bytes, headers: dict[str, str]) -> None:
        if self._permit is not None and not self._permit.valid:
            self.peer.fail(call, UpstreamUnavailable(f"{self._config.name}: {ENDED}; nothing was sent."))
            return
        call.sent = True
        try:
            async with self._client.stream("POST", self._url, content=message, headers=headers) as response:
                moved = moved_to(response)
                if moved is None:
                    await self._take(call, response)
                    return
            self._url = moved
            async with self._client.stream("POST", moved, content=message, headers=headers) as response:
                await self._take(call, response)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call must not wait for ever
            outcome = of_exception(self._config.name, error, self._limit)
            call.sent = not isinstance(outcome, UpstreamUnavailable)
            self.peer.fail(call, outcome)

    async def _take(self, call: Call, response: httpx2.Response) -> None:
        if response.status_code >= 300:
            await self._refused(call, response)
            return
        if call.method == "initialize":
            self._session = self._begun(response.headers.get(_SESSION))
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            await self._streams.read(
                response,
                lambda data: self._received(data, call),
                done=lambda: not self.peer.expects(call),
                headers=self._headers(),
            )
        elif kind == "application/json":
            self._received(await read_bounded(response, self._limit), call)
        if self.peer.expects(call):
            self.peer.fail(
                call, OutcomeLost(f"{self._config.name} ended its response without an answer; the call had been sent.")
            )

    def _begun(self, session: str | None) -> str | None:
        """The id of a session, which is sent back in a header. Raises UpstreamUnavailable when it cannot be."""
        if session and not _VISIBLE.fullmatch(session):
            raise UpstreamUnavailable(f"{self._config.name} gives a session id that is no visible ASCII.")
        return session or None

    def _received(self, data: bytes, origin: Call | None) -> None:
        with contextlib.suppress(msgspec.DecodeError, RecursionError):  # the peer counts and reports it
            data = jsonrpc.one_line(data)
        self.peer.received(data, origin)

    async def _refused(self, call: Call, response: httpx2.Response) -> None:
        """A status that is no success: the JSON-RPC error in its body, or what the status itself says."""
        error = jsonrpc.error_in(await read_bounded(response, self._limit))
        if error is not None:
            raise UpstreamRefused(*error)
        ended = response.status_code == 404 and self._session is not None
        self.peer.fail(call, of_status(self._config.name, response.status_code, session_ended=ended))
        if ended:
            self.peer.lost("its session has ended")

    async def _tell(self, message: bytes, headers: dict[str, str], *, listen: bool) -> None:
        if self._permit is not None and not self._permit.valid:
            return
        try:
            async with self._client.stream("POST", self._url, content=message, headers=headers) as response:
                if response.status_code >= 300:
                    log.info("a notification was refused", upstream=self._config.name, status=response.status_code)
        except httpx2.HTTPError as error:
            log.info("a notification was not delivered", upstream=self._config.name, error=said(error))
        if listen and not self._modern:
            await self._streams.follow(self._headers, lambda data: self._received(data, None))
