"""The log is whole: the sequence is dense, and versions of an aggregate only grow, those of calls without a gap."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.violation import Violation
from tests.chaos.history import History

DENSE = "the sequence is dense"
VERSIONS = "every version stands once, in order"
ACKNOWLEDGED = "what was acknowledged is on the log"

DECISIONS = {
    "approve": "CallApproved",
    "deny": "CallDenied",
    "cancel": "CallCancelled",
    "resolve": "OutcomeResolved",
    "grant": "GrantIssued",
    "revoke": "GrantRevoked",
    "rule": "RuleSet",
    "unrule": "RuleRemoved",
    "lock": "AccessLocked",
    "unlock": "AccessUnlocked",
}
"""What a decision that was acknowledged has left on the log."""


def check(history: History) -> Iterator[Violation]:
    versions: Counter[str] = Counter()
    for place, entry in enumerate(history.log, 1):
        if entry.n != place:
            yield Violation(DENSE, f"event {entry.n}", f"{place} was expected (entry {entry.id})")
            return
        versions[entry.aggregate] += 1
        if entry.version == entry.n > versions[entry.aggregate] and not entry.aggregate.startswith("call/"):
            versions[entry.aggregate] = entry.version  # new, or the store had forgotten where it stood
        if entry.version != versions[entry.aggregate]:
            expected = versions[entry.aggregate]
            yield Violation(VERSIONS, entry.aggregate, f"version {entry.version} at {entry.n}, {expected} was expected")
            versions[entry.aggregate] = entry.version
    yield from _decisions(history)


def _decisions(history: History) -> Iterator[Violation]:
    """Whoever decided was told where on the log that stands."""
    for seen in history.seen:
        if seen.op != "decide" or seen.answer is None or "seq" not in seen.answer:
            continue
        wanted, seq = DECISIONS[seen.tool], seen.answer["seq"]
        entry = history.log[seq - 1] if 0 < seq <= len(history.log) else None
        # An approval may have brought a rule or a grant along, which stands behind it.
        near = {each.type for each in history.log[max(0, seq - 2) : seq]}
        if entry is None or wanted not in near:
            found = entry.type if entry else "nothing"
            yield Violation(ACKNOWLEDGED, f"{seen.tool} {seen.about}", f"{found} stands at {seq}")
