"""Of some servers there is one instance: one replica runs it, as the log says, and there is one process of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs

from tests.chaos.checker.lives import Life, lives_of
from tests.chaos.checker.violation import Violation
from tests.chaos.history import Birth, Effect, Entry, History

TAKEN = "a server of which there is one instance changes hands in order"
OWNED = "only who has such a server on the log starts calls there"
ALONE = "there is one process of it at any time"
BELONGS = "what a process of it does was started by one owner"
GIVEN_UP = "a call there is given up only when its owner is not that any more"
IN_TIME = "what waits for its owner starts in time, or not at all"

LOST = "was gone before it reported"
"""So an outcome's reason ends when another replica has taken over."""


@attrs.frozen
class Term:
    """A replica has the server, from ``n`` on. ``replica`` None: nobody has."""

    n: int
    replica: str | None
    epoch: int


NOBODY = Term(0, None, 0)


def check(history: History) -> Iterator[Violation]:
    lives = lives_of(history.log)
    for server in history.rules.single:
        theirs = {life.id: life for life in lives.values() if life.tool.partition("/")[0] == server}
        terms: dict[int, Term] = {}
        yield from _on_the_log(server, history, theirs, terms)
        yield from _processes(server, history, theirs, terms)
    for life in lives.values():
        yield from _in_time(life)


# --- the log ----------------------------------------------------------------------------------------------------------


def _on_the_log(
    server: str, history: History, lives: Mapping[str, Life], terms: dict[int, Term]
) -> Iterator[Violation]:
    """Notes in ``terms`` during which term each start was made, by its sequence."""
    term, started, last = NOBODY, dict[str, int](), 0
    for entry in history.log:
        if entry.aggregate == f"owner/{server}":
            problem = _problem(entry, term, last)
            if problem:
                yield Violation(TAKEN, server, f"{entry.type} at {entry.n}: {problem}")
            taken = entry.type == "OwnershipTaken"
            last = max(last, entry.data["epoch"])
            term = Term(entry.n, entry.data["replica"] if taken else None, entry.data["epoch"])
        elif entry.call is None or entry.call not in lives:
            continue
        elif entry.type == "ExecutionStarted":
            terms[entry.n], started[entry.call] = term, entry.n
            if not entry.data["replica"] == entry.replica == term.replica:
                text = f"{entry.replica} started it at {entry.n}, and {term.replica or 'nobody'} has {server}"
                yield Violation(OWNED, f"call {entry.call}", text)
        elif entry.type == "ExecutionOutcomeUnknown" and LOST in entry.data["reason"]:
            began = terms[started[entry.call]]
            if began == term:
                text = f"at {entry.n}, and {term.replica} has {server} since {term.n}, before it started there"
                yield Violation(GIVEN_UP, f"call {entry.call}", text)


def _problem(entry: Entry, term: Term, last: int) -> str | None:
    replica, epoch = entry.data["replica"], entry.data["epoch"]
    if replica != entry.replica:
        return f"{entry.replica} says it of {replica}"
    if entry.type == "OwnershipTaken":
        return f"epoch {epoch} after {last}" if epoch <= last else None
    ours = (replica, epoch) == (term.replica, term.epoch)
    return None if ours else f"{replica} had it not, at epoch {epoch}, but {term.replica or 'nobody'}, at {term.epoch}"


def _in_time(life: Life) -> Iterator[Violation]:
    """Unless a person lets it run later: that has all the time in the world. When it runs again, its time does, too."""
    until, wait = None, 0
    for entry in life.events:
        if entry.type == "ExecutionQueued":
            wait = entry.data["wait_ms"]
            until = entry.at + wait
        elif entry.type == "OutcomeResolved":
            until = entry.at + wait if wait and entry.data["by"]["kind"] == "system" else None
        elif entry.type == "ExecutionStarted" and until is not None and entry.at >= until:
            text = f"it started at {entry.n}, {entry.at - until} ms after its time"
            yield Violation(IN_TIME, f"call {life.id}", text)


# --- the processes ----------------------------------------------------------------------------------------------------


def _processes(
    server: str, history: History, lives: Mapping[str, Life], terms: Mapping[int, Term]
) -> Iterator[Violation]:
    births = [birth for birth in history.births if birth.server == server]
    for birth in births:
        if not birth.alone:
            yield Violation(ALONE, server, f"process {birth.pid} began at {birth.at}, and another was there still")
    by_argument = {life.argument: life for life in lives.values()}
    owners: dict[Birth, set[Term]] = defaultdict(set)
    for effect in history.effects:
        life, newest = by_argument.get(effect.id), _newest(births, effect)
        if life is None:
            continue
        if newest is None or newest.pid != effect.pid:
            text = f"{newest.pid} had begun" if newest is not None else "it has not begun"
            yield Violation(ALONE, server, f"process {effect.pid} did {effect.id} at {effect.at}, and {text}")
            continue
        starts = life.of("ExecutionStarted")
        if len(starts) == 1:  # of several, it is not known which of them this was
            owners[newest].add(terms[starts[0].n])
    for process, found in owners.items():
        if len(found) > 1:
            names = sorted(f"{term.replica} (epoch {term.epoch})" for term in found)
            yield Violation(BELONGS, server, f"process {process.pid} did calls of {', '.join(names)}")


def _newest(births: list[Birth], effect: Effect) -> Birth | None:
    return next((birth for birth in reversed(births) if birth.line < effect.line), None)
