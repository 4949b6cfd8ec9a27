"""Rules: set, replaced, removed; one per pattern."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from portero.domain.commands import RemoveRule, SetRule
from portero.domain.events import RuleRemoved, RuleSet
from portero.domain.rule import decide, evolve, rule_id
from portero.domain.values import Action
from portero.errors import DecisionError, Invalid, NotFound
from tests.domain.stories import ANA, BEN, CALL, Story, given_rule, recorded, unreadable

SET = SetRule("github/*", False, Action.ALLOW, ANA)
STANDS = RuleSet("github/*", False, Action.ALLOW, ANA)
AGGREGATE = f"rule/{rule_id('github/*', literal=False)}"


def test_a_rule_is_set():
    given_rule().when(SET).then(STANDS)
    given_rule().when(SetRule("fs/*", True, Action.DENY, ANA, CALL)).then(RuleSet("fs/*", True, Action.DENY, ANA, CALL))


def test_a_rule_is_replaced():
    deny = SetRule("github/*", False, Action.DENY, BEN)
    given_rule(STANDS).when(deny).then(RuleSet("github/*", False, Action.DENY, BEN))
    rule = given_rule(STANDS, RuleSet("github/*", False, Action.DENY, BEN)).state
    assert (rule.action, rule.by, rule.version, rule.id) == (Action.DENY, BEN, 2, rule_id("github/*", literal=False))


def test_setting_it_again_is_on_the_log_too():
    given_rule(STANDS).when(SET).then(STANDS)


def test_a_rule_is_removed_once():
    given_rule(STANDS).when(RemoveRule(BEN)).then(RuleRemoved(BEN))
    given_rule(STANDS, RuleRemoved(BEN)).when(RemoveRule(BEN)).then_refused(NotFound)
    given_rule().when(RemoveRule(BEN)).then_refused(NotFound)


def test_a_removed_rule_can_be_set_again():
    given_rule(STANDS, RuleRemoved(BEN)).when(SET).then(STANDS)


@pytest.mark.parametrize(("pattern", "literal"), [("github", False), ("*", True), ("", False)])
def test_a_rule_for_no_pattern_is_refused(pattern, literal):
    given_rule().when(SetRule(pattern, literal, Action.ALLOW, ANA)).then_refused(Invalid)


def test_two_patterns_whose_ids_meet_do_not_overwrite_each_other():
    given_rule(STANDS).when(replace(SET, pattern="notion/*")).then_refused(Invalid, "remove it first")


def test_a_literal_star_is_another_rule_than_a_pattern():
    assert rule_id("fs/*", literal=True) != rule_id("fs/*", literal=False)
    literal = given_rule(RuleSet("fs/*", True, Action.DENY, ANA)).state
    assert (literal.parsed.matches_name("fs/*"), literal.parsed.matches_name("fs/read")) == (True, False)


def test_without_a_star_there_is_one_rule_however_it_was_set():
    assert rule_id("fs/read", literal=True) == rule_id("fs/read", literal=False)
    given_rule(RuleSet("fs/read", True, Action.DENY, ANA)).when(SetRule("fs/read", False, Action.ALLOW, ANA)).then(
        RuleSet("fs/read", False, Action.ALLOW, ANA)
    )


@for_all(st.text(max_size=20), st.booleans())
def test_an_id_is_short_and_always_the_same(pattern, literal):
    identity = rule_id(pattern, literal=literal)
    assert identity == rule_id(pattern, literal=literal)
    assert identity[0] == "r"
    assert int(identity[1:], 16) < 16**7


def test_nothing_is_decided_on_what_a_newer_release_wrote():
    state = evolve(given_rule(STANDS).state, unreadable(AGGREGATE, 2))
    Story(state, decide).when(RemoveRule(ANA)).then_refused(DecisionError, "newer release")


def test_a_rule_without_its_beginning_is_not_made_up():
    with pytest.raises(NotFound):
        evolve(None, recorded(RuleRemoved(ANA), aggregate=AGGREGATE, version=2))
