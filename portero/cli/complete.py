"""What the shell offers while somebody types: ids, tools and rules of the running system, quickly or not at all."""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from portero.cli.text import one_line
from portero.domain.values import Status
from portero.errors import PorteroError
from projections import View

SECONDS: Final = 1.5
"""A shell that waits longer for a proposal is a nuisance."""

SAFE: Final = re.compile(r"[A-Za-z0-9_./:@+,=-]+")
"""Only such names are offered: the shell runs what it completes, and a server could call its tool ``$(…)``."""

Items = list[CompletionItem[str]]
Proposals = Iterable[tuple[str, str]]


def _from_view(read: Callable[[View], Proposals]) -> Callable[[click.Context, click.Parameter, str], Items]:
    """A completion that reads the view of a store which runs already; where none does, nothing is offered."""

    def complete(_context: click.Context, _parameter: click.Parameter, typed: str) -> Items:
        try:
            proposals = asyncio.run(asyncio.wait_for(_read(read), SECONDS))
        except (PorteroError, OSError, TimeoutError):
            return []
        return [
            CompletionItem(value, help=one_line(about, 60))
            for value, about in proposals
            if value.startswith(typed) and SAFE.fullmatch(value)
        ]

    return complete


async def _read(read: Callable[[View], Any]) -> list[tuple[str, str]]:
    from portero.cli.place import find_place
    from portero.cli.session import open_session, quiet_logs

    quiet_logs()
    async with open_session(find_place(), start=False) as session:
        return list(read(session.view))


def _tasks(*statuses: Status) -> Callable[[View], Proposals]:
    def read(view: View) -> Proposals:
        for call in view.calls.recent(None, None, 200):
            if not statuses or call.status in statuses:
                yield call.id, f"{call.tool} ({call.status.value})"

    return read


pending_tasks = _from_view(_tasks(Status.PENDING))
open_tasks = _from_view(_tasks(Status.PENDING, Status.QUEUED, Status.EXECUTING))
unknown_tasks = _from_view(_tasks(Status.UNKNOWN))
any_tasks = _from_view(_tasks())
tool_names = _from_view(lambda view: ((name, tool.facts.title or "") for name, tool in view.upstreams.tools()))
rule_ids = _from_view(
    lambda view: ((rule.id, f"{rule.action.value if rule.action else ''} {rule.pattern}") for rule in view.rules)
)
grant_ids = _from_view(lambda view: ((grant.id, grant.pattern) for grant in view.grants))
