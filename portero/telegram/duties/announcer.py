"""What people should hear at once: failures nobody was asked about, crash loops, the lock, who may decide."""

from collections.abc import Callable
from typing import Final

import attrs

from portero.domain.values import Action
from portero.log import Note
from portero.telegram.context import Context, tool_token
from portero.telegram.render import notices
from portero.telegram.render.message import Message
from portero.telegram.render.standing import who
from projections.activity import Entry

QUIET_MS: Final = 60_000
"""Failures of one tool, and crashes of one server, within this time are counted and told with the next."""

_Words = tuple[str, str]

_PEOPLE: Final[dict[str, _Words]] = {
    "AccessLocked": ("🔒", "Everything is locked"),
    "AccessUnlocked": ("🔓", "The lock is ended"),
    "AdminPaired": ("🤝", "Paired as admin:"),
    "AdminRemoved": ("👋", "No admin any more:"),
}
_TERMINAL: Final[dict[str, _Words]] = {
    "RuleSet": ("📜", "A rule was set on the command line:"),
    "RuleRemoved": ("📜", "A rule was removed on the command line:"),
    "GrantIssued": ("🎫", "A grant was given on the command line:"),
    "GrantRevoked": ("🎫", "A grant was ended on the command line:"),
}
_TROUBLES: Final[dict[str, _Words]] = {
    "HandlerGaveUp": ("🛑", "Portero gave up on some work for"),
    "LogDiverged": ("🛑", "The log is not the one that was followed"),
}


@attrs.define
class _Quiet:
    until: int
    kept: int = 0


class Announcer:
    """``note`` holds the sequence up to which everything was told; without one, what came after ``since`` is told."""

    def __init__(self, context: Context, note: Note, since: int) -> None:
        self._context, self._note, self._since = context, note, since
        self._told: int | None = None
        self._made: tuple[int, Message | None] | None = None
        self._quiet: dict[str, _Quiet] = {}
        self._makers: dict[str, Callable[[Entry], Message | None]] = {
            "ExecutionFailed": self._failed,
            "UpstreamLost": self._lost,
        }

    async def look(self) -> None:
        context = self._context
        chat = context.people().chat
        if self._told is None:
            self._told = await self._start()
        for entry in context.core.view.activity.since(self._told):
            if self._made is None or self._made[0] != entry.seq:  # made once, also when it must be sent again
                self._made = (entry.seq, self._message(entry))
            message = self._made[1]
            if message is not None and chat is not None:
                await context.client.send(chat, message)
            self._told = entry.seq
            if message is not None:
                await self._note.save(str(entry.seq))

    async def save(self) -> None:
        """What was passed over in silence need not be looked at again."""
        if self._told is not None:
            await self._note.save(str(self._told))

    async def _start(self) -> int:
        """Where the last holder stopped; a gateway that never had a bot tells of its time with one, not its whole past.

        That begins with the process: the bot itself is there some seconds later.
        """
        found = await self._note.load()
        if found is not None and found.isdigit():
            return int(found)
        await self._note.save(str(self._since))
        return self._since

    # --- what is said -----------------------------------------------------------------------------------------------

    def _message(self, entry: Entry) -> Message | None:
        maker = self._makers.get(entry.type)
        if maker is not None:
            return maker(entry)
        if entry.type in _PEOPLE:
            icon, words = _PEOPLE[entry.type]
            subject = entry.subject if entry.type.startswith("Admin") else ""
            return notices.happening(icon, words, subject, entry.detail, by=who(entry.actor))
        if entry.type in _TERMINAL and entry.actor.kind == "cli":
            icon, words = _TERMINAL[entry.type]
            return notices.happening(icon, words, entry.subject, None, by=who(entry.actor), silent=True)
        if entry.type in _TROUBLES:
            icon, words = _TROUBLES[entry.type]
            return notices.happening(icon, words, entry.subject, entry.detail)
        return None

    def _failed(self, entry: Entry) -> Message | None:
        """Of a call that ran unasked; one that was asked for has its card."""
        if entry.action is not Action.ALLOW:
            return None
        kept = self._kept(f"failed {entry.subject}", entry.at)
        if kept is None:
            return None
        return notices.failure(entry.subject, tool_token(entry.subject), entry.client or "", entry.detail, kept)

    def _lost(self, entry: Entry) -> Message | None:
        """A server that goes away comes back; one that crashes again and again needs a person."""
        if not entry.is_error or self._kept(f"lost {entry.subject}", entry.at) is None:
            return None
        return notices.happening("💥", "A server crashes again and again:", entry.subject, entry.detail)

    def _kept(self, about: str, now: int) -> int | None:
        """How many like it were kept quiet since the last message; None: this one is to be kept quiet too."""
        quiet = self._quiet.get(about)
        if quiet is not None and now < quiet.until:
            quiet.kept += 1
            return None
        self._quiet = {key: value for key, value in self._quiet.items() if now < value.until or key == about}
        self._quiet[about] = _Quiet(now + QUIET_MS)
        return quiet.kept if quiet is not None else 0
