"""How fast the bot may talk: a few messages at once, then about one a second in a chat, and a limit over all."""

import asyncio
from collections.abc import Callable
from typing import Final

import attrs

from portero.telegram.trouble import NotNow

LONGEST_SECONDS: Final = 60.0
"""A message that would wait longer is better tried again later than waited for."""

REMEMBERED: Final = 1_000


@attrs.frozen
class Rate:
    """``burst`` at once, then ``per_second``."""

    burst: float
    per_second: float


PRIVATE: Final = Rate(5, 1.0)
GROUP: Final = Rate(10, 20 / 60)
"""Source: the Bot FAQ: one message a second in a chat, 20 a minute in a group, 30 a second over all."""
ALL: Final = Rate(25, 25.0)


@attrs.define
class _Bucket:
    rate: Rate
    level: float
    at: float

    def take(self, now: float) -> float:
        """Takes a turn; returns the seconds until it comes."""
        self.level = min(self.rate.burst, self.level + (now - self.at) * self.rate.per_second)
        self.at = now
        self.level -= 1
        return max(0.0, -self.level / self.rate.per_second)

    def full(self, now: float) -> bool:
        return self.level + (now - self.at) * self.rate.per_second >= self.rate.burst

    def has_room(self, now: float) -> bool:
        return min(self.rate.burst, self.level + (now - self.at) * self.rate.per_second) - 1 >= self.rate.burst / 2

    def give_back(self) -> None:
        self.level += 1


class Pace:
    def __init__(
        self,
        *,
        private: Rate = PRIVATE,
        group: Rate = GROUP,
        overall: Rate = ALL,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._rates = (private, group)
        self._overall = _Bucket(overall, overall.burst, self._clock())
        self._chats: dict[int, _Bucket] = {}
        self._held: dict[int, float] = {}

    async def turn(self, chat: int) -> None:
        """Waits for the chat's turn. Raises NotNow when that takes too long."""
        now = self._clock()
        held = self._held.get(chat, 0.0) - now
        if held > LONGEST_SECONDS:
            raise NotNow(f"Telegram asks to wait for {held:.0f} s", held, demanded=True)
        bucket = self._bucket(chat, now)
        pause = bucket.take(now)
        if pause > LONGEST_SECONDS:
            bucket.give_back()
            raise NotNow("Too many messages wait for this chat", LONGEST_SECONDS)
        pause = max(pause, held, self._overall.take(now))
        if pause > 0:
            await asyncio.sleep(pause)

    def has_room(self, chat: int) -> bool:
        """Whether something that can wait may be sent now: more than half of what is said at once is left after it."""
        now = self._clock()
        if self._held.get(chat, 0.0) > now:
            return False
        return self._bucket(chat, now).has_room(now) and self._overall.has_room(now)

    def _tidy(self, now: float) -> None:
        """Chats that could start afresh need not be remembered: strangers could fill the memory."""
        self._chats = {chat: bucket for chat, bucket in self._chats.items() if not bucket.full(now)}
        self._held = {chat: until for chat, until in self._held.items() if until > now}

    def hold(self, chat: int, seconds: float) -> None:
        """Telegram said how long to be silent there."""
        self._held[chat] = max(self._held.get(chat, 0.0), self._clock() + seconds)

    def _bucket(self, chat: int, now: float) -> _Bucket:
        private, group = self._rates
        if len(self._chats) > REMEMBERED:
            self._tidy(now)
        if chat not in self._chats:
            rate = private if chat > 0 else group
            self._chats[chat] = _Bucket(rate, rate.burst, now)
        return self._chats[chat]
