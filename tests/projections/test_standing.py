"""Grants, rules and admins that hold now."""

from msgspec.structs import replace

from portero.domain import events as e
from portero.domain.ids import ADMINS_AGGREGATE, GrantId, Millis, RuleId
from portero.domain.rule import rule_id
from portero.domain.values import Action
from projections.limits import Limits
from tests.domain.stories import ANA, BEN, CALL, HOUR, MINUTE, NOW
from tests.projections.tape import Tape

ISSUED = e.GrantIssued("github/*", False, Millis(NOW + HOUR), ANA)
G1, G2 = GrantId("g1"), GrantId("g2")


def test_grants_are_active_until_their_time():
    grants = Tape().write("grant/g1", ISSUED).view().grants
    assert [grant.id for grant in grants.active(NOW)] == [G1]
    assert grants.active(Millis(NOW + HOUR)) == []
    assert [grant.id for grant in grants] == [G1]


def test_an_ended_grant_can_be_looked_up_but_does_not_stand():
    tape = Tape().write("grant/g1", ISSUED).write("grant/g2", ISSUED, e.GrantRevoked(BEN), at=NOW + MINUTE)
    grants = tape.view().grants
    assert ([grant.id for grant in grants], len(grants)) == ([G1], 1)
    assert (grants.get(G2).ended_by, grants.ended()) == (BEN, [grants.get(G2)])


def test_uses_are_counted_where_there_is_a_limit():
    tape = Tape().write("grant/g1", ISSUED).write("grant/g2", replace(ISSUED, uses=2), e.GrantUsed(CALL))
    grants = tape.view().grants
    assert (grants.limited(G1), grants.limited(G2), grants.limited(GrantId("g3"))) == (False, True, False)
    assert grants.get(G2).uses_left == 1
    assert len(tape.write("grant/g2", e.GrantUsed(CALL)).view().grants) == 1


def test_old_ended_grants_are_forgotten():
    tape = Tape()
    for number in range(5):
        tape.write(f"grant/g{number}", ISSUED, e.GrantExpired())
    grants = tape.view(Limits(grants=2)).grants
    assert [grant.id for grant in grants.ended()] == ["g4", "g3"]
    assert [grant.id for grant in grants.ended(1)] == ["g4"]


def test_a_rule_holds_until_it_is_removed():
    identity = rule_id("github/*", literal=False)
    tape = Tape().write(f"rule/{identity}", e.RuleSet("github/*", False, Action.ALLOW, ANA))
    tape.write(f"rule/{identity}", e.RuleSet("github/*", False, Action.DENY, BEN))
    rules = tape.view().rules
    assert ([(rule.id, rule.action) for rule in rules], len(rules)) == ([(identity, Action.DENY)], 1)
    rules = tape.write(f"rule/{identity}", e.RuleRemoved(ANA)).view().rules
    assert (list(rules), rules.get(identity), rules.get(RuleId("r0"))) == ([], None, None)


def test_admins_are_those_who_paired_and_were_not_removed():
    tape = Tape().write("admin/1", e.AdminPaired(1, "Ana", 11)).write("admin/2", e.AdminPaired(2, "Ben", 22))
    tape.write("admin/1", e.AdminRemoved(BEN)).write("admin/3", e.AdminRemoved(BEN))
    admins = tape.view().admins
    assert ([admin.name for admin in admins], len(admins), admins.get(1)) == (["Ben"], 1, None)
    assert admins.get(2).chat == 22


def test_admins_are_of_one_aggregate_and_those_of_older_logs_still_count():
    tape = Tape().write("admin/1", e.AdminPaired(1, "Ana", 11)).write(ADMINS_AGGREGATE, e.AdminRemoved(BEN, 1))
    tape.write(ADMINS_AGGREGATE, e.AdminPaired(2, "Ben", 22))
    view = tape.view()
    assert ([admin.user for admin in view.admins], view.admins.version) == ([2], 2)
    assert [entry.subject for entry in view.activity.recent()] == ["Ben", "Ana", "Ana"]


def test_when_it_cannot_be_read_whom_a_change_leaves_nobody_decides():
    admins = Tape().write(ADMINS_AGGREGATE, e.AdminPaired(1, "Ana", 11), "AdminRenamed").view().admins
    assert (len(admins), admins.version) == (0, 2)


def test_an_admin_whose_record_cannot_be_read_decides_nothing():
    admins = Tape().write("admin/1", e.AdminPaired(1, "Ana", 11), "AdminRenamed").view().admins
    assert (admins.get(1), len(admins)) == (None, 0)
