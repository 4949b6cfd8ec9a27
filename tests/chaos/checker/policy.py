"""Nothing is decided or started against the policy that stands at that place of the log."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from tests.chaos.checker.violation import Violation
from tests.chaos.history import Entry, History, Rules

DECIDED = "a request is decided by the policy that stands before it"
STARTED = "nothing starts behind a denial, a revocation or a lock, nor unapproved"

STRICT = {"deny": 0, "require-approval": 1, "allow": 2}


def matches(pattern: str, tool: str, *, literal: bool) -> bool:
    """``*`` matches any run of characters within its part, and alone it matches everything."""
    if literal:
        return pattern == tool
    if pattern == "*":
        return True
    parts, names = pattern.partition("/")[::2], tool.partition("/")[::2]
    return all(re.fullmatch(fnmatch.translate(part), name) for part, name in zip(parts, names, strict=True))


@attrs.define
class Standing:
    """Rules, grants and the lock, as the log leaves them."""

    config: Rules
    rules: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    grants: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    locked: bool = False

    def take(self, entry: Entry) -> None:
        identity = entry.aggregate.partition("/")[2]
        match entry.type:
            case "RuleSet":
                self.rules[identity] = entry.data
            case "RuleRemoved":
                self.rules.pop(identity, None)
            case "GrantIssued":
                self.grants[identity] = entry.data
            case "GrantRevoked" | "GrantExpired":
                self.grants.pop(identity, None)
            case "AccessLocked":
                self.locked = True
            case "AccessUnlocked":
                self.locked = False

    def says(self, tool: str, now: int) -> str:
        """What holds for a tool: deny, allow (also by a grant) or require-approval."""
        if self.locked:
            return "deny"
        action = self._ruled(tool) or self._configured(tool)
        return "allow" if action == "require-approval" and self._granted(tool, now) else action

    def _ruled(self, tool: str) -> str | None:
        found = [(r["pattern"], r["action"]) for r in self.rules.values() if matches_rule(r, tool)]
        return _most_specific(found)

    def _configured(self, tool: str) -> str:
        policies = self.config.policies
        if tool in policies:
            return policies[tool]
        found = [(p, action) for p, action in policies.items() if "*" in p and matches(p, tool, literal=False)]
        return _most_specific(found) or self.config.default

    def _granted(self, tool: str, now: int) -> bool:
        return any(now < grant["expires_at"] and matches_rule(grant, tool) for grant in self.grants.values())


def matches_rule(rule: Mapping[str, Any], tool: str) -> bool:
    return matches(rule["pattern"], tool, literal=rule["literal"])


def _most_specific(found: list[tuple[str, str]]) -> str | None:
    """Most literal characters first, then the stricter."""
    order = sorted(found, key=lambda each: (-len(each[0].replace("*", "")), STRICT[each[1]]))
    return order[0][1] if order else None


def check(history: History) -> Iterator[Violation]:
    standing = Standing(history.rules)
    tools: dict[str, str] = {}
    released: set[str] = set()
    """Calls that were approved, or that run again because somebody said so: they need no allowing policy."""
    for entry in history.log:
        call = entry.call
        if call is None:
            standing.take(entry)
            continue
        about, tool = f"call {call}", tools.get(call, "")
        if entry.type == "ToolCallRequested":
            tools[call] = f"{entry.data['upstream']}/{entry.data['name']}"
        elif entry.type == "PolicyDecided":
            right = standing.says(tool, entry.at)
            if entry.data["action"] != right:
                text = f"{tool} was decided {entry.data['action']} at {entry.n}, where {right} holds"
                yield Violation(DECIDED, about, text)
        elif entry.type in {"CallApproved", "OutcomeResolved"}:
            released.add(call)
        elif entry.type == "ExecutionStarted":
            says = standing.says(tool, entry.at)
            if says == "deny" or (says != "allow" and call not in released):
                approved = "approved" if call in released else "nobody has approved it"
                yield Violation(STARTED, about, f"{tool} started at {entry.n}, where {says} holds; {approved}")
