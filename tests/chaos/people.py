"""People who decide: on the log as the bot does it, and now and then by the command line."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from handlers.people.decisions import Decided
from portero.app import Connected, connected
from portero.domain import owner as owners
from portero.domain.commands import TakeOwnership
from portero.domain.ids import CallId, GrantId, RuleId, owner_aggregate
from portero.domain.values import SYSTEM, Action, Actor, Resolution
from portero.errors import PorteroError
from portero.log import Write
from portero.settings import load
from tests.chaos.journal import Journal, now
from tests.system.place import Place


class Person:
    """One of them; every decision and what came of it goes to the journal."""

    def __init__(self, name: str, place: Place, url: str, journal: Journal) -> None:
        self.name = name
        self.actor = Actor("cli", name, name)
        self._place, self._journal = place, journal
        self._env = {**place.env, "REDIS_URL": url, "PORTERO_ARCHIVE": "archive"}
        self._stack = AsyncExitStack()
        self._base: Connected | None = None

    async def __aenter__(self) -> "Person":
        settings = load(self._env, self._place.folder)
        self._base = await self._stack.enter_async_context(connected(settings))
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._stack.aclose()

    @property
    def base(self) -> Connected:
        assert self._base is not None
        return self._base

    # --- one decision -------------------------------------------------------------------------------------------------

    async def decide(self, verb: str, about: str, **more: Any) -> None:
        """``verb``: approve, deny, cancel, resolve (of a task), rule, unrule, grant, revoke, lock or unlock."""
        sent = now()
        try:
            await self.base.core.catch_up()
            seq = await self._decision(verb, about, **more)
        except PorteroError as error:
            answer: dict[str, Any] = {"refused": type(error).__name__, "text": str(error)}
        else:
            answer = {"seq": seq} if seq is not None else {"done": True}
        self._journal.note("decide", self.name, about, sent, answer, tool=verb)

    async def _decision(self, verb: str, about: str, **more: Any) -> int | None:
        """Where on the log it stands, as far as that is said."""
        decisions, by = self.base.decisions, self.actor
        call = CallId(about.partition("-")[0])
        on_call: dict[str, Callable[[], Awaitable[Decided]]] = {
            "approve": lambda: decisions.approve(call, by, **more),
            "deny": lambda: decisions.deny(call, by),
            "cancel": lambda: decisions.cancel(call, by),
            "resolve": lambda: decisions.resolve(call, by, Resolution(more["outcome"])),
        }
        on_policy: dict[str, Callable[[], Awaitable[object]]] = {
            "rule": lambda: decisions.set_rule(about, Action(more["action"]), by),
            "unrule": lambda: decisions.remove_rule(RuleId(about), by),
            "grant": lambda: decisions.grant(about, more["ms"], by),
            "revoke": lambda: decisions.revoke(GrantId(about) if about else None, by),
            "lock": lambda: decisions.lock(by),
            "unlock": lambda: decisions.unlock(by),
        }
        if verb in on_call:
            return int((await on_call[verb]()).seq)
        await on_policy[verb]()
        return None

    async def take_over(self, upstream: str) -> None:
        """As a replica does that runs this server from now on, were there one of that name."""
        core = self.base.core
        await core.catch_up()
        owner, now = core.view.owners.get(upstream), core.clock()
        command = TakeOwnership(core.log.replica, owner.epoch + 1 if owner is not None else 1)
        version = owner.version if owner is not None else 0
        write = Write(owner_aggregate(upstream), version, tuple(owners.decide(owner, command, now)))
        await core.log.append(write, actor=SYSTEM, now=now)

    # --- by the command line ------------------------------------------------------------------------------------------

    async def command(self, *words: str) -> None:
        """``portero …`` in a process of its own. What it acknowledges with 0 must be on the log."""
        sent = now()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "portero", *words),
            cwd=self._place.folder,
            env={**os.environ, **self._env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        answer = {"code": process.returncode, "out": out.decode()[:300], "error": error.decode()[:300]}
        self._journal.note("command", self.name, words[1] if len(words) > 1 else "", sent, answer, tool=words[0])
