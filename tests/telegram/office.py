"""Replicas with bots, on one real log, towards one strict Bot API server and one real upstream that leaves traces."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import attrs

from handlers.background import Background
from handlers.calls.execution import Executions
from handlers.calls.inquiries import Inquiries
from handlers.calls.requests import CallRequest, Pending, Requests
from handlers.calls.running import Runner
from handlers.core import Core, system_clock
from handlers.people.decisions import Decisions
from handlers.people.notification import Notifications
from handlers.upkeep.expiry import Expiry
from handlers.upkeep.loading import load_view
from handlers.upkeep.presence import Presence
from portero.domain.call import Call
from portero.domain.events import ConfigLoaded
from portero.domain.ids import CallId, ClientId, Millis, ReplicaId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Actor, Kind, Status, ToolFacts
from portero.log import Follower, Log, Timers, WorkQueue, open_log
from portero.settings import Secret, TelegramSettings
from portero.telegram.bot import Bot
from portero.telegram.cards import CARD
from portero.telegram.pace import Pace, Rate
from portero.upstream import Masks, Upstreams
from projections import View
from tests.gateway.house import fixture
from tests.stores import Place
from tests.telegram.fake_api.server import TOKEN, FakeApi
from tests.telegram.fake_api.world import Message, Person

ANA, BEN, EVE = 42, 43, 66
CLI = Actor("cli", "root", "root")
FAST = Rate(1_000, 1_000.0)
POLICIES = {"fixture/fail": Action.ALLOW, "fixture/echo": Action.ALLOW, "fixture/hidden": Action.DENY}
REPLACER = Replacer.from_entries([Entry("Jane Doe", "Maria Huber"), Entry("DE00", "AT61 1904")])


@attrs.define
class Clock:
    """The real time of long ago, moved on by as much as a test wants: timers wait for the store's clock, too."""

    ahead: int = -90 * 86_400_000

    def __call__(self) -> Millis:
        return Millis(system_clock() + self.ahead)


@attrs.define
class Replica:
    """One process of Portero, without its HTTP side."""

    log: Log
    core: Core
    decisions: Decisions
    requests: Requests
    bot: Bot
    background: Background
    upstreams: Upstreams
    inquiries: Inquiries

    @property
    def view(self) -> View:
        return self.core.view

    async def ask(
        self, text: str = "one", *, tool: str = "effect", client: str = "claude", extra: Any = None, **more: Any
    ) -> CallId:
        """A call that needs approval; returns its id. ``extra``: other members of its params."""
        arguments = json.dumps({"text": text, **more}).encode()
        beside = json.dumps(extra).encode() if extra is not None else None
        answer = await self.requests.call(
            CallRequest(ClientId(client), Kind.TOOL, "fixture", tool, arguments, self.facts(tool), beside)
        )
        assert isinstance(answer, Pending)
        await self.core.catch_up()
        return answer.call

    async def run(self, tool: str = "echo", client: str = "claude", **arguments: Any) -> Any:
        """A call whatever comes of it."""
        return await self.requests.call(
            CallRequest(ClientId(client), Kind.TOOL, "fixture", tool, json.dumps(arguments).encode(), self.facts(tool))
        )

    def facts(self, tool: str) -> ToolFacts:
        found = self.upstreams.catalogue.resolve(f"fixture/{tool}")
        return found.facts if found is not None else ToolFacts()

    def call(self, identity: CallId) -> Call:
        call = self.view.calls.get(identity)
        assert call is not None
        return call


@attrs.define
class Office:
    api: FakeApi
    ana: Person
    ben: Person
    eve: Person
    effects: Path
    clock: Clock
    place: Place
    replicas: list[Replica]
    _stack: AsyncExitStack
    _closers: dict[str, AsyncExitStack] = attrs.field(factory=dict)

    @property
    def first(self) -> Replica:
        return self.replicas[0]

    def effects_seen(self) -> list[str]:
        return self.effects.read_text().splitlines() if self.effects.exists() else []

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
        return await self.api.until(condition, what, seconds)

    async def card(self, identity: CallId, *, replica: Replica | None = None, chat: int = ANA) -> Message:
        """The card of a call, once the log knows it."""
        where = replica or self.first
        ref = await self.until(lambda: where.call(identity).ref(CARD), f"a card of {identity}")
        return self.api.world.chats[chat].messages[int(ref.partition(":")[2])]

    async def status(self, identity: CallId, *wanted: Status, seconds: float = 10.0) -> Call:
        await self.until(lambda: self.first.call(identity).status in wanted, f"{identity} is {wanted}", seconds)
        return self.first.call(identity)

    async def says(self, word: str, chat: int = ANA, seconds: float = 10.0) -> Message:
        """The newest message that the bot sent with this word in it; edits do not count."""
        found = await self.until(
            lambda: [m for m in self.api.world.of_bot(chat) if word in m.log[0]], f"the bot says {word!r}", seconds
        )
        return found[-1]

    async def answer(self, query: str, seconds: float = 10.0) -> dict[str, Any]:
        found = await self.until(
            lambda: [a for a in self.api.world.answers if a["query"] == query], f"{query} is answered", seconds
        )
        return found[0]

    async def asks(self, person: Person, text: str, *, chat: int | None = None) -> Message:
        """What the bot replies to a command."""
        said = person.says(text, chat=chat)
        where = chat if chat is not None else person.id
        found = await self.until(
            lambda: [m for m in self.api.world.of_bot(where) if m.reply_to == said.id], f"an answer to {text!r}"
        )
        return found[0]

    async def start(self, name: str, settings: TelegramSettings, **more: Any) -> Replica:
        stack = AsyncExitStack()
        replica = await stack.enter_async_context(running(self.place, name, settings, self.effects, self.clock, **more))
        self._closers[name] = stack
        self.replicas.append(replica)
        return replica

    async def stop(self, name: str) -> None:
        await self._closers.pop(name).aclose()
        self.replicas = [replica for replica in self.replicas if replica.log.replica != name]

    async def close(self) -> None:
        for name in list(self._closers):
            await self.stop(name)


def settings_for(api: FakeApi, **more: Any) -> TelegramSettings:
    given = {"admin_chat_id": ANA, "api_base": api.base, **more}
    return TelegramSettings(token=Secret(TOKEN), **given)


@asynccontextmanager
async def running(
    place: Place,
    name: str,
    settings: TelegramSettings,
    effects: Path,
    clock: Clock,
    *,
    policies: Mapping[str, Action] = POLICIES,
    approval_ms: int = 86_400_000,
    look_seconds: float = 0.05,
    rest_seconds: float = 0.05,
    rate: Rate = FAST,
) -> AsyncIterator[Replica]:
    async with (
        open_log(place.url, ReplicaId(name), data=Path("unused"), name=place.name) as log,
        AsyncExitStack() as stack,
    ):
        view = await load_view(log)
        follower = Follower(log, view.apply, (view.seq, view.entry))
        background = Background()
        stack.push_async_callback(background.stop)
        policy = ConfigPolicy(dict(policies), Action.ASK)
        core = Core(log, view, policy, REPLACER, clock=clock, approval_ms=approval_ms)
        decisions = Decisions(core)
        presence = Presence(core)
        ups = Upstreams(
            [fixture(effects)],
            replica=log.replica,
            on_event=presence.upstream,
            mask=REPLACER.mask_text,
            masks=Masks.of(REPLACER),
        )
        runner = Runner(core, ups)
        inquiries = Inquiries(core)
        executions = Executions(core, runner, ups, inquiries)
        pace = Pace(private=rate, group=FAST, overall=FAST)
        quick = {
            "poll_seconds": 1,
            "look_seconds": look_seconds,
            "step_back_seconds": 0.5,
            "rest_seconds": rest_seconds,
        }
        bot = Bot(core, decisions, settings, zone=UTC, pace=pace, **quick)
        notifications = Notifications(core, bot.notifier)
        background.start("follower", follower.run)
        await presence.started("http://test", ConfigLoaded(log.replica, "p", "r", "u", Action.ASK, ("fixture",)))
        background.start("presence", presence.run)
        executing, notifying = WorkQueue(log, "execution", clock), WorkQueue(log, "notification", clock)
        background.start("execution", lambda: executing.run(executions.handle))
        background.start("notification", lambda: notifying.run(notifications.handle))
        expiry = Expiry(core, notifications)
        background.start("timers", Timers(log, expiry.wake, clock, look_seconds=0.05).run)
        for loop_name, loop in bot.loops.items():
            background.start(loop_name, loop)
        stack.push_async_callback(bot.stop)
        stack.push_async_callback(background.stop, *bot.loops, "notification", "timers", "execution")
        await ups.start()
        stack.push_async_callback(ups.stop)
        assert await ups.connected("fixture", 10)
        while not view.upstreams.catalogues:  # noqa: ASYNC110 - until the log has said which tools there are
            await asyncio.sleep(0.01)
        yield Replica(log, core, decisions, Requests(core, runner), bot, background, ups, inquiries)


@asynccontextmanager
async def open_office(
    place: Place, *, replicas: int = 1, settings: Mapping[str, Any] | None = None, **more: Any
) -> AsyncIterator[Office]:
    """Ana is the admin, in her private chat, unless ``settings`` say otherwise; Ben may be one, Eve is not."""
    with tempfile.TemporaryDirectory(prefix="portero-") as folder:
        async with FakeApi.running() as api, AsyncExitStack() as stack:
            world = api.world
            ana, ben, eve = world.person(ANA, "Ana"), world.person(BEN, "Ben"), world.person(EVE, "Eve")
            office = Office(api, ana, ben, eve, Path(folder) / "effects", Clock(), place, [], stack)
            stack.push_async_callback(office.close)
            for number in range(replicas):
                await office.start(f"r{number + 1}", settings_for(api, **(settings or {})), **more)
            yield office
            await asyncio.sleep(0)


def refused(api: FakeApi) -> list[str]:
    """What the strict server refused, but for what is normal: a message that looks like that already."""
    return [words for words in api.refusals() if "message is not modified" not in words]
