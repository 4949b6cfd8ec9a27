"""Names of things: identifiers, aggregate keys and the unit of time."""

from typing import NewType

CallId = NewType("CallId", str)
"""16 characters of Crockford base32, lower case (80 random bits)."""
GrantId = NewType("GrantId", str)
"""``g`` and 7 characters of Crockford base32."""
RuleId = NewType("RuleId", str)
"""``r`` and 7 hex digits of a digest over pattern and literal flag: one rule per pattern."""
ClientId = NewType("ClientId", str)
"""The name of a client, as in ``config/clients.json``; ``default`` for ``BEARER_TOKEN``."""
ReplicaId = NewType("ReplicaId", str)
SessionId = NewType("SessionId", str)
"""What a client of the older era, or one stream of notices of the newer one, is known by on the log."""
Seq = NewType("Seq", int)
"""Dense position of an event on the log, from 1."""
Millis = NewType("Millis", int)
"""Milliseconds since 1970-01-01 UTC."""
Aggregate = NewType("Aggregate", str)
"""``kind/id``, the unit of optimistic concurrency."""


def call_aggregate(call: CallId) -> Aggregate:
    return Aggregate(f"call/{call}")


def grant_aggregate(grant: GrantId) -> Aggregate:
    return Aggregate(f"grant/{grant}")


def rule_aggregate(rule: RuleId) -> Aggregate:
    return Aggregate(f"rule/{rule}")


def session_aggregate(session: SessionId) -> Aggregate:
    return Aggregate(f"session/{session}")


def upstream_aggregate(name: str) -> Aggregate:
    return Aggregate(f"upstream/{name}")


def owner_aggregate(upstream: str) -> Aggregate:
    """Of a server that only one replica runs at a time: which one."""
    return Aggregate(f"owner/{upstream}")


def replica_aggregate(replica: ReplicaId) -> Aggregate:
    return Aggregate(f"replica/{replica}")


LOCK_AGGREGATE = Aggregate("system/lock")
ADMINS_AGGREGATE = Aggregate("system/admins")
"""All who may decide, in one: so of two who pair at once, one finds another version.

Logs of releases before 0.1.0 have one for each person, ``admin/USER``."""
LOG_AGGREGATE = Aggregate("system/log")
ARCHIVE_AGGREGATE = Aggregate("system/archive")


def split_aggregate(aggregate: Aggregate) -> tuple[str, str]:
    """``(kind, id)`` of an aggregate key."""
    kind, _, identity = aggregate.partition("/")
    return kind, identity
