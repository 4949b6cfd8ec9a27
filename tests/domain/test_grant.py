"""Grants: how long, how often, for whom, and how they end."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from portero.domain.commands import IssueGrant, RevokeGrant, UseGrant, Wake
from portero.domain.events import GrantExpired, GrantIssued, GrantRevoked, GrantUsed
from portero.domain.grant import decide, evolve, timer
from portero.domain.ids import ClientId, Millis
from portero.errors import AlreadyDecided, DecisionError, Invalid, NotFound
from tests.domain.stories import ANA, BEN, CALL, HOUR, NOW, Story, given_grant, recorded, unreadable

END = Millis(NOW + HOUR)
ISSUE = IssueGrant("github/*", False, END, ANA)
ISSUED = GrantIssued("github/*", False, END, ANA)
TWICE = replace(ISSUED, uses=2)
USED = GrantUsed(CALL)


def grant(*events):
    return given_grant(*events).state


def test_a_grant_is_issued():
    given_grant().when(ISSUE).then(ISSUED)


def test_a_grant_may_be_for_one_tool_one_client_and_few_uses():
    given_grant().when(IssueGrant("fs/*", True, END, ANA, 3, ClientId("claude"), CALL)).then(
        GrantIssued("fs/*", True, END, ANA, 3, ClientId("claude"), CALL)
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"expires_at": NOW}, "end before it begins"),
        ({"uses": 0}, "one use at least"),
        ({"pattern": "github"}, "not a pattern"),
        ({"pattern": "*", "literal": True}, "not the name of a tool"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(changes, text):
    given_grant().when(replace(ISSUE, **changes)).then_refused(Invalid, text)


def test_a_grant_is_issued_once():
    given_grant(ISSUED).when(ISSUE).then_refused(Invalid, "already")


def test_a_grant_is_revoked_once():
    given_grant(ISSUED).when(RevokeGrant(BEN)).then(GrantRevoked(BEN))
    error = given_grant(ISSUED, GrantRevoked(BEN)).when(RevokeGrant(ANA)).then_refused(AlreadyDecided)
    assert (error.status, error.by, error.at) == ("revoked", "cli:ben", NOW)


def test_a_grant_that_is_not_there_cannot_be_revoked_or_used():
    given_grant().when(RevokeGrant(BEN)).then_refused(NotFound)
    given_grant().when(UseGrant(CALL)).then_refused(NotFound)
    given_grant().when(Wake()).then_refused(NotFound)


def test_a_grant_expires_at_its_time_and_once():
    given_grant(ISSUED).when(Wake(), at=END - 1).then_nothing()
    given_grant(ISSUED).when(Wake(), at=END).then(GrantExpired())
    given_grant(ISSUED, GrantExpired()).when(Wake(), at=END).then_nothing()
    given_grant(ISSUED, GrantRevoked(BEN)).when(Wake(), at=END).then_nothing()


def test_an_ended_grant_is_not_used():
    given_grant(ISSUED).when(UseGrant(CALL)).then(USED)
    given_grant(ISSUED).when(UseGrant(CALL), at=END).then_refused(AlreadyDecided, "expired")
    given_grant(ISSUED, GrantRevoked(BEN)).when(UseGrant(CALL)).then_refused(AlreadyDecided, "revoked")
    given_grant(TWICE, USED, USED).when(UseGrant(CALL)).then_refused(AlreadyDecided, "used up")


def test_uses_are_counted_down():
    assert [grant(TWICE, *[USED] * n).uses_left for n in range(4)] == [2, 1, 0, 0]
    assert grant(ISSUED, USED).uses_left is None
    assert [grant(TWICE, *[USED] * n).active(NOW) for n in range(3)] == [True, True, False]


def test_a_grant_is_active_until_its_time_to_the_millisecond():
    assert [grant(ISSUED).active(Millis(END + offset)) for offset in (-1, 0, 1)] == [True, False, False]


@pytest.mark.parametrize("end", [GrantRevoked(BEN), GrantExpired()])
def test_an_ended_grant_is_not_active_and_needs_no_timer(end):
    assert (timer(grant(ISSUED)), timer(grant(ISSUED, end))) == (END, None)
    assert not grant(ISSUED, end).active(NOW)


def test_a_grant_of_one_client_is_for_no_other():
    bound = grant(replace(ISSUED, client=ClientId("claude")))
    assert [bound.matches("github/x", client) for client in ("claude", "other", None)] == [True, False, False]
    assert grant(ISSUED).matches("github/x", None)


def test_a_literal_grant_is_for_the_tool_of_that_name_only():
    literal = grant(replace(ISSUED, pattern="fs/*", literal=True))
    assert (literal.matches("fs/*", "c"), literal.matches("fs/read", "c")) == (True, False)


def test_a_grant_that_a_newer_release_changed_lifts_nothing():
    state = evolve(grant(ISSUED), unreadable("grant/g1234567", 2))
    assert (state.version, state.active(NOW)) == (2, False)
    Story(state, decide).when(RevokeGrant(ANA)).then_refused(DecisionError, "newer release")


def test_a_grant_without_its_beginning_is_not_made_up():
    with pytest.raises(NotFound):
        evolve(None, recorded(USED, aggregate="grant/g1", version=2))


@for_all(
    st.integers(1, 4),
    st.lists(st.sampled_from(["use", "revoke", "wake"]), max_size=8),
    st.sampled_from([NOW, END - 1, END]),
)
def test_a_grant_is_never_used_more_often_than_it_says(uses, asked, at):
    events = [replace(ISSUED, uses=uses)]
    commands = {"use": UseGrant(CALL), "revoke": RevokeGrant(ANA), "wake": Wake()}
    for word in asked:
        try:
            events += decide(grant(*events), commands[word], Millis(at))
        except AlreadyDecided:
            continue
    assert events.count(USED) <= uses
    assert sum(isinstance(event, GrantRevoked | GrantExpired) for event in events) <= 1
