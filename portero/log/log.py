"""The log as everybody else sees it: append, read, look up; one object a process."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import attrs
import structlog

from portero import telemetry
from portero.domain.events import Meta
from portero.domain.ids import Aggregate, Millis, ReplicaId, Seq
from portero.domain.values import Actor
from portero.errors import LogDivergence, LogError, LogUnavailable
from portero.log.append import Append, Appended, Write, distinct, pack
from portero.log.archive import Archive
from portero.log.codec import SCHEMA, encode_meta
from portero.log.commit import NOTHING_WRITTEN, Committer, Reader
from portero.log.connect import Store
from portero.log.entries import RecordedEvent
from portero.log.health import Health, look
from portero.log.keeper import Keeper
from portero.log.position import Position
from portero.log.reading import START, read, read_entries
from portero.log.scripts import PROLONG
from portero.log.snapshot import load_snapshot, save_snapshot
from portero.log.wire import Wire

logger = structlog.get_logger("portero.log")

BLOB_SECONDS: Final = 7 * 86_400
_NONE: Final[Mapping[str, bytes]] = MappingProxyType({})


@attrs.frozen
class Head:
    """Where the log ends."""

    id: str
    seq: Seq
    entry: str
    policy_version: int


class Log:
    """Made by ``open_log``. ``diverged`` is set once the store turned out not to hold this log any more."""

    def __init__(self, store: Store, replica: ReplicaId, position: Position, archive: Archive | None = None) -> None:
        self.replica = replica
        self.store = store
        self.archive = archive
        """Where events are read that the stream does not hold any more; None: nowhere."""
        self.position = position
        self.diverged: LogDivergence | None = None
        self._loop = asyncio.get_running_loop()
        self._session = secrets.token_hex(6)
        self._writes = 0
        self._committer = Committer(store, position, self.diverge)
        self._keeper = Keeper(store, position, self._committer)
        self._task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The log's own id, minted when it was created."""
        return self.position.id

    def feed(self, reader: Reader | None) -> None:
        """Tells ``reader`` of every append as soon as it stands; None: nobody."""
        self._committer.reader = reader

    def unanswered(self) -> Sequence[Append]:
        """The appends on their way, which may stand on the log already."""
        return self._committer.unanswered()

    @property
    def away(self) -> LogError | None:
        """Why appends are refused at present; None while they are taken."""
        return self._committer.away

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connects; raises what stands in the way: OSError, TimeoutError, ServerError, StoreError, LogDivergence."""
        wire, token = await self._keeper.connect([])

        self._task = asyncio.create_task(self._keep(wire, token), name="portero log connection")

    async def _keep(self, wire: Wire, token: str) -> None:
        try:
            divergence = await self._keeper.run(wire, token)
        except Exception:
            logger.exception("nobody keeps the connection to the log any more")
            self._committer.close(LogUnavailable(NOTHING_WRITTEN.format("an error in Portero itself")))
        else:
            self.diverge(divergence)

    async def close(self) -> None:
        """Waits for appends under way, at most 2 s, then disconnects."""
        if waiting := self._committer.waiting():
            await asyncio.wait(waiting, timeout=self.store.limits.write)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._committer.close(LogUnavailable(NOTHING_WRITTEN.format("Portero is stopping")))
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def diverge(self, error: LogDivergence) -> None:
        """From now on nothing is appended: what would be decided here rests on a log that is not there."""
        if self.diverged is None:
            self.diverged = error
            logger.critical(
                "the log diverged; nothing more is decided", error=str(error), log=self.id, seq=self.position.seq
            )
            if self._task is not None and self._task is not asyncio.current_task():
                self._task.cancel()  # another connection would not help
            self._committer.close(error)

    # --- writing ----------------------------------------------------------------------------------------------------

    async def append(
        self,
        *writes: Write,
        actor: Actor,
        now: Millis,
        policy_version: int | None = None,
        cause: int | None = None,
        trace: str | None = None,
        blobs: Mapping[str, bytes] = _NONE,
        blob_ttl: int = BLOB_SECONDS,
        write_id: str | None = None,
        urgent: bool = False,
        orphaned: Callable[[Appended | LogError], None] | None = None,
    ) -> Appended:
        """All writes or none, in one step; durable when it returns, as far as the store's settings make it so.

        ``blobs`` are kept beside the log for ``blob_ttl`` seconds. ``write_id``: give the same one again to repeat an
        append whose outcome was unknown; it is not written twice, as long as no other write followed on its aggregates.
        ``urgent``: written also when the store's memory is full, for what was begun and must be ended.
        ``orphaned`` gets the answer when the caller is cancelled before it comes: what is on its way is written anyway.

        Raises VersionConflict, PolicyMoved, LogFull, LogUnavailable (nothing was written), LogUncertain (nobody knows)
        or LogDivergence.
        """
        distinct(writes)
        loop = self._loop
        position = self.position
        if write_id is None:
            self._writes += 1
            write_id = f"{self._session}.{self._writes:x}"
        meta = Meta(now, actor, self.replica, write_id, cause, trace, SCHEMA)
        raw = encode_meta(meta)
        args, events, bumps = pack(
            writes,
            raw,
            write=write_id,
            seen=position.seen,
            policy_version=policy_version,
            blobs=blobs,
            blob_ttl=blob_ttl,
        )
        append = Append(
            writes,
            raw,
            meta,
            args,
            events,
            bumps,
            policy_version,
            position.policy if policy_version is None else policy_version,
            urgent,
            loop.time() + self.store.limits.write,
            loop.create_future(),
            orphaned,
        )
        began = time.perf_counter()
        self._committer.submit(append)
        if telemetry.tracing():
            with telemetry.span(telemetry.SPAN_APPEND, parent=trace, attributes={"portero.events": events}):
                appended = await append.future
        else:
            appended = await append.future
        telemetry.LOG_SECONDS.observe(time.perf_counter() - began)
        return appended

    async def prolong(self, timers: Mapping[Aggregate, Millis]) -> None:
        """Moves timers that are set to later times; those that were cleared stay so. Raises LogUnavailable."""
        if timers:
            times = [word for aggregate, due in timers.items() for word in (due, aggregate)]
            async with self.store.reach() as client:
                await client.eval(PROLONG.source, 1, self.store.keys.timers, *times)

    async def health(self) -> Health:
        """What the store is like now. Raises LogUnavailable."""
        return await look(self.store)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def head(self) -> Head:
        """Raises LogUnavailable, or LogDivergence when it is not this log's head."""
        known = self.position.seq
        async with self.store.reach() as client:
            head: list[Any] = await client.hmget(self.store.keys.head, ["id", "seq", "entry", "policy"])
        seq = self.position.check(head, known)
        if self._committer.reader is not None:
            self._committer.reader.behind(seq)
        return Head(head[0].decode(), Seq(int(head[1])), head[2].decode(), int(head[3]))

    async def blob(self, key: str) -> bytes | None:
        """What an append kept beside the log; None once its time is over. Raises LogUnavailable."""
        async with self.store.reach() as client:
            found: Any = await client.get(self.store.keys.blob(key))
        return None if found is None else bytes(found)

    async def keep(self, key: str, value: bytes, seconds: int) -> None:
        """Keeps something beside the log that is named after what it holds, however often. Raises LogUnavailable."""
        async with self.store.reach() as client:
            await client.set(self.store.keys.blob(key), value, ex=seconds)

    async def shorten(self, keys: Iterable[str], seconds: int) -> None:
        """Lets blobs go after ``seconds``, if that is sooner than they would. Raises LogUnavailable."""
        async with self.store.reach() as client:
            for key in keys:
                await client.expire(self.store.keys.blob(key), seconds, lt=True)

    def read(self, after: int = 0, near: str = START, count: int = 1000) -> AsyncIterator[list[RecordedEvent]]:
        """Batches of at most ``count`` events behind ``after``, in order, up to the end of the log as it is then.

        ``near``: an entry id at or before that of the next event, where one is known: reading begins there.
        Raises LogUnavailable, LogTrimmed or ArchiveError, or LogDivergence when events are missing in between.
        """
        return read(self.store, self.archive, after, near, count)

    def read_entries(self, after: int = 0, near: str = START, count: int = 1000) -> AsyncIterator[list[Any]]:
        """The same as they stand on the stream, undecoded: (id, fields)."""
        return read_entries(self.store, self.archive, after, near, count)

    # --- snapshots --------------------------------------------------------------------------------------------------

    async def save_snapshot(self, data: bytes, seq: int, entry: str) -> None:
        """Keeps what the projections were at ``seq``, unless a newer one is there. Raises LogUnavailable or LogFull."""
        await save_snapshot(self.store, self.id, data, seq, entry)

    async def load_snapshot(self) -> bytes | None:
        """The newest snapshot of this log, whole; None when there is none. Raises LogUnavailable."""
        return await load_snapshot(self.store, self.id)
