"""Whole logs as they may come about: many calls at once, people, replicas and upstreams, some of it from the future."""

from random import Random
from typing import Any

from portero.domain import call as calls
from portero.domain import commands as c
from portero.domain import events as e
from portero.domain.ids import ADMINS_AGGREGATE, ARCHIVE_AGGREGATE, LOCK_AGGREGATE, ClientId, Millis, ReplicaId
from portero.domain.rule import rule_id
from portero.domain.values import Action, Actor, Kind, Reason, Resolution, Status, Tier, ToolFacts, Watched
from portero.errors import DecisionError
from tests.domain.stories import ANA, ASKED_FOR, BEN, HOUR, MINUTE, NOW, request
from tests.projections.tape import Tape, call_id

REPLICAS = [ReplicaId(f"r{number}") for number in range(3)]
CLIENTS = [ClientId(name) for name in ("claude", "other")]
PATTERNS = ["*", "a/*", "a/x"]


def write_life(seed: int, steps: int) -> Tape:
    """The same log for the same seed."""
    life = _Life(Random(seed))
    for _ in range(steps):
        life.step()
    return life.tape


class _Life:
    def __init__(self, random: Random) -> None:
        self.random, self.tape, self.now = random, Tape(), NOW
        self.states: dict[str, Any] = {}

    def step(self) -> None:
        self.now += self.random.choice([0, 1, 1_000, 1_000, MINUTE, MINUTE, HOUR])
        self.random.choices(
            [self.request, self.call, self.person, self.replica, self.session, self.future], [4, 12, 2, 2, 2, 1]
        )[0]()

    def request(self) -> None:
        pick = self.random.choice
        aggregate = f"call/{call_id(len(self.states))}"
        command = request(
            pick(list(Action)),
            client=pick(CLIENTS),
            kind=pick([Kind.TOOL, Kind.TOOL, Kind.RESOURCE]),
            upstream="a",
            name=pick(["x", "y", "z"]),
            arguments='{"n":"' + "x" * pick([0, 10, 90]) + '"}',
            reason=Reason(pick(list(Tier)), pick(PATTERNS)),
            facts=ToolFacts(read_only=pick([None, True])),
            approval_expires_at=Millis(self.now + HOUR),
            lease_until=Millis(self.now + MINUTE),
            replica=pick(REPLICAS),
            queued=pick([None, None, ASKED_FOR]),
        )
        self.decide(aggregate, None, command)

    def call(self) -> None:
        if not self.states:
            return
        pick = self.random.choice
        aggregate = pick(list(self.states)[-5:])
        state = self.states[aggregate]
        attempt = max(1, state.attempt)
        command = pick(
            [
                c.Approve(ANA),
                c.Deny(BEN, "no"),
                c.Cancel(BEN),
                c.RecordNotified("telegram", pick("12")),
                c.RecordNotifyFailed("telegram", "429", Millis(self.now + 1_000)),
                c.StartExecution(pick(REPLICAS), Millis(self.now + MINUTE), pick([True, False])),
                c.StartExecution(pick(REPLICAS), Millis(self.now + MINUTE), False),
                c.RecordSuccess(attempt, False, "b1", pick([2, 60]), "d1", 5),
                c.RecordFailure(attempt, '{"code":1,"message":"no"}', True, 5),
                c.RecordUnknown(attempt, "lost", 5),
                c.ResolveOutcome(ANA, pick(list(Resolution))),
                c.MarkRead(),
                c.RequestInput(pick("kl"), "elicitation/create", Millis(self.now + MINUTE), "b2", "d2"),
                c.GiveInput((c.Answer(pick("kl"), "b3", "d3", pick([True, False])),)),
                c.WithdrawInput(pick("kl"), "nobody answered"),
                c.GiveTask(),
                c.Continue(call_id(7)),
                c.ShowUpstreamTask("completed", "d" * 64, 2),
                c.Wake(),
                *(c.WithdrawInput(question.key, "nobody answered") for question in state.questions * 2),
                *(c.GiveInput((c.Answer(question.key, "b3", "d3", False),)) for question in state.questions * 2),
                *([c.ResolveOutcome(ANA, pick(list(Resolution)))] * 4 if state.status is Status.UNKNOWN else []),
                *([c.Continue(call_id(7))] * 4 if state.status is Status.COMPLETED else []),
            ]
        )
        self.decide(aggregate, state, command)

    def decide(self, aggregate: str, state: Any, command: Any) -> None:
        try:
            events = calls.decide(state, command, Millis(self.now))
        except DecisionError:
            return
        first = len(self.tape.log)
        self.write(aggregate, *events, by=Actor("client", "claude"))
        for recorded in self.tape.log[first:]:
            self.states[aggregate] = calls.evolve(self.states.get(aggregate), recorded)

    def write(self, aggregate: str, *events: Any, by: Actor = ANA) -> None:
        self.tape.write(aggregate, *events, at=self.now, by=by, replica=self.random.choice(REPLICAS))

    def person(self) -> None:
        pick = self.random.choice
        number, pattern = self.random.randrange(4), pick(PATTERNS)
        until = Millis(self.now + HOUR)
        aggregate, event = pick(
            [
                (f"grant/g{len(self.tape.log)}", e.GrantIssued(pattern, False, until, ANA, pick([None, 1, 2]))),
                (f"grant/g{number}", e.GrantIssued(pattern, False, until, ANA, 2)),
                (f"grant/g{number}", e.GrantUsed(call_id(1))),
                (f"grant/g{number}", e.GrantRevoked(BEN)),
                (f"grant/g{number}", e.GrantExpired()),
                (f"rule/{rule_id(pattern, literal=False)}", e.RuleSet(pattern, False, pick(list(Action)), ANA)),
                (f"rule/{rule_id(pattern, literal=False)}", e.RuleRemoved(BEN)),
                (f"admin/{number}", e.AdminPaired(number, "Ana", 7)),
                (f"admin/{number}", e.AdminRemoved(BEN)),
                (ADMINS_AGGREGATE, e.AdminPaired(number, "Ben", 8)),
                (ADMINS_AGGREGATE, e.AdminRemoved(BEN, number)),
                (LOCK_AGGREGATE, e.AccessLocked(ANA)),
                (LOCK_AGGREGATE, e.AccessUnlocked(ANA)),
            ]
        )
        self.write(aggregate, event)

    def replica(self) -> None:
        pick = self.random.choice
        replica, name, names = pick(REPLICAS), pick("ab"), pick([("a",), ("a", "b")])
        tool = e.CatalogueTool(pick("xyz"), ToolFacts(title="T"))
        aggregate, event = pick(
            [
                (f"replica/{replica}", e.ReplicaStarted(replica, "0.1.0", 7, "host")),
                (
                    f"replica/{replica}",
                    e.ConfigLoaded(replica, pick("pq"), "r", "u", Action.ASK, names, (), pick([(), ("a",)])),
                ),
                (f"replica/{replica}", e.ReplicaStopped(replica, "asked to")),
                (f"upstream/{name}", e.UpstreamConnected(replica, "s", "1", "2025-11-25", 3)),
                (f"upstream/{name}", e.UpstreamLost(replica, "exit 1", 2, pick([True, False]), None)),
                (f"upstream/{name}", e.CatalogueChanged(replica, "d", (tool,), ("q: no",))),
                (f"upstream/{name}", e.CatalogueChanged(replica, "e", (tool,), lists="e")),
                (f"owner/{name}", e.OwnershipTaken(replica, len(self.tape.log))),
                (f"owner/{name}", e.OwnershipEnded(replica, 1, "stopped")),
                ("system/log", e.HandlerGaveUp("execution", "call/1", 5, "boom")),
                ("system/archive", e.SegmentArchived(1, self.random.randrange(2, 99), "d", "p", "l", 10, "5-0")),
                ("system/archive", e.SegmentsRemoved(self.random.randrange(2, 99), "d")),
            ]
        )
        self.write(aggregate, event)

    def session(self) -> None:
        pick = self.random.choice
        client, number = pick(CLIENTS), self.random.randrange(4)
        watched = tuple(Watched(pick("ab"), f"made://{name}") for name in pick(["x", "xy", "x/1"]))
        aggregate, event = pick(
            [
                (f"session/s{number}", e.StreamOpened(client, pick(REPLICAS), pick("pq"))),
                (f"session/s{number}", e.ResourcesSubscribed(client, watched)),
                (f"session/s{number}", e.ResourcesSubscribed(client, watched)),
                (f"session/s{number}", e.ResourcesUnsubscribed(watched, pick([None, "gone"]))),
                (f"session/s{number}", e.LogLevelSet(client, pick(["debug", "error"]))),
                (f"session/s{number}", e.RequestCancelled(client, "digest")),
                (f"session/t{len(self.tape.log)}", e.SessionEnded(client)),
                (f"upstream/{pick('ab')}", e.ResourceUpdated(pick(["made://x", "made://x/1", "made://z"]))),
            ]
        )
        self.write(aggregate, event)

    def future(self) -> None:
        known = [
            *list(self.states)[-3:],
            "grant/g1",
            ARCHIVE_AGGREGATE,
            f"rule/{rule_id('*', literal=False)}",
            LOCK_AGGREGATE,
            "moon/1",
        ]
        aggregate = self.random.choice(known)
        self.write(aggregate, self.random.choice(["MoonRose", "RuleSet", "CallDenied"]))
        if aggregate in self.states:
            self.states[aggregate] = calls.evolve(self.states[aggregate], self.tape.log[-1])
