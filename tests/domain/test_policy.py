"""Which policy decides: the order of the tiers, and inside one the most specific and then the strictest."""

import re

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.ids import GrantId, Millis
from portero.domain.policy import Beaten, ConfigPolicy, Verdict, decide_policy, parse_action
from portero.domain.rule import rule_id
from portero.domain.values import Action, Reason, Tier
from portero.errors import Invalid
from tests.domain.standing import grant, rule
from tests.domain.stories import HOUR, NOW

ALLOW, DENY, ASK = Action.ALLOW, Action.DENY, Action.ASK
TOOL = "github/create_issue"


def verdict(
    tool=TOOL, client="claude", *, config=None, default=ASK, rules=(), grants=(), locked=False, now=NOW
) -> Verdict:
    policy = ConfigPolicy(config or {}, default)
    return decide_policy(tool, client, config=policy, rules=rules, grants=grants, locked=locked, now=Millis(now))


def why(found: Verdict) -> tuple[Action, Tier, str | None]:
    return found.action, found.reason.tier, found.reason.pattern


# --- priority ---------------------------------------------------------------------------------------------------------


def test_with_nothing_else_the_default_decides():
    assert why(verdict(default=DENY)) == (DENY, Tier.DEFAULT, None)


def test_a_pattern_of_the_configuration_beats_the_default():
    assert why(verdict(config={"github/*": ALLOW})) == (ALLOW, Tier.PATTERN, "github/*")


def test_an_exact_name_beats_every_pattern_even_a_stricter_one():
    assert why(verdict(config={TOOL: ALLOW, "github/*": DENY, "*": DENY})) == (ALLOW, Tier.EXACT, TOOL)


def test_a_rule_beats_the_configuration_even_its_exact_name():
    found = verdict(config={TOOL: DENY}, rules=[rule("*", ALLOW)])
    assert why(found) == (ALLOW, Tier.RULE, "*")
    assert found.reason.rule == rule_id("*", literal=False)


def test_the_lock_beats_everything():
    found = verdict(config={TOOL: ALLOW}, rules=[rule(TOOL, ALLOW)], grants=[grant("g1")], locked=True)
    assert (why(found), found.reason.grant) == ((DENY, Tier.LOCK, "*"), None)


@pytest.mark.parametrize("order", [1, -1])
def test_inside_a_tier_the_most_specific_wins(order):
    entries = {"github/*": DENY, "github/create_*": ALLOW, "*": ASK}
    config = dict(list(entries.items())[::order])
    assert why(verdict(config=config)) == (ALLOW, Tier.PATTERN, "github/create_*")
    rules = [rule("github/*", DENY), rule("github/create_*", ALLOW)][::order]
    assert why(verdict(rules=rules)) == (ALLOW, Tier.RULE, "github/create_*")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("one", "other", "stricter"), [(ALLOW, ASK, ASK), (ASK, DENY, DENY), (DENY, ALLOW, DENY)])
def test_on_a_tie_the_stricter_wins(one, other, stricter, order):
    config = dict([("github/c*", one), ("github/*e", other)][::order])
    assert verdict(config=config).action is stricter
    rules = [rule("github/c*", one), rule("github/*e", other)][::order]
    assert verdict(rules=rules).action is stricter


def test_a_button_made_rule_is_for_the_tool_of_that_name_only():
    rules = [rule("fs/*", ALLOW, literal=True)]
    assert verdict("fs/*", rules=rules).action is ALLOW
    assert verdict("fs/read", rules=rules).action is ASK


def test_resources_are_judged_under_names_of_their_own():
    config = {"fs/resource:file:///pub/*": ALLOW, "fs/*": DENY}
    assert verdict("fs/resource:file:///pub/a/b", config=config).action is ALLOW
    assert verdict("fs/resource:file:///etc/passwd", config=config).action is DENY


# --- grants -----------------------------------------------------------------------------------------------------------


def test_a_grant_lifts_require_approval_and_says_so():
    found = verdict(config={"github/*": ASK}, grants=[grant("g1", "github/*")])
    assert found.action is ALLOW
    assert found.reason == Reason(Tier.PATTERN, "github/*", grant=GrantId("g1"))
    assert found.until == NOW + HOUR


@pytest.mark.parametrize(
    "where", [{"config": {TOOL: DENY}}, {"rules": [rule("*", DENY)]}, {"default": DENY}, {"locked": True}]
)
def test_a_grant_never_lifts_a_denial(where):
    assert verdict(grants=[grant("g1"), grant("g2", TOOL, literal=True)], **where).action is DENY


def test_a_grant_is_not_needed_where_it_is_allowed_anyway():
    assert verdict(default=ALLOW, grants=[grant("g1")]).reason.grant is None


def test_a_grant_ends_to_the_millisecond():
    assert verdict(grants=[grant("g1")], now=NOW + HOUR - 1).action is ALLOW
    assert verdict(grants=[grant("g1")], now=NOW + HOUR).action is ASK


def test_a_grant_of_another_client_does_not_count():
    grants = [grant("g1", client="other")]
    assert verdict(grants=grants).action is ASK
    assert verdict(client="other", grants=grants).action is ALLOW
    assert verdict(client=None, grants=grants).action is ASK


def test_uses_are_not_spent_where_they_need_not_be():
    grants = [grant("g1", uses=1, minutes=90), grant("g2", minutes=30), grant("g3", minutes=60)]
    assert verdict(grants=grants).reason.grant == "g3"
    assert verdict(grants=grants[:1]).reason.grant == "g1"


# --- what was beaten --------------------------------------------------------------------------------------------------


def test_all_that_matched_and_lost_is_told_with_the_reason():
    found = verdict(
        config={TOOL: ASK, "github/*": ALLOW, "notion/*": DENY, "*": DENY},
        rules=[rule("github/*", ASK), rule("*", DENY)],
    )
    assert [(loser.action, loser.reason.tier, loser.reason.pattern, loser.why) for loser in found.beaten] == [
        (DENY, Tier.RULE, "*", "github/* is more specific"),
        (ASK, Tier.EXACT, TOOL, "a rule set by a person comes first"),
        (ALLOW, Tier.PATTERN, "github/*", "a rule set by a person comes first"),
        (DENY, Tier.PATTERN, "*", "a rule set by a person comes first"),
        (ASK, Tier.DEFAULT, None, "a rule set by a person comes first"),
    ]


def test_a_grant_beats_what_it_lifts_and_the_grants_it_was_chosen_from():
    found = verdict(grants=[grant("g1", "github/*"), grant("g2", uses=5)])
    assert found.beaten == (
        Beaten(ASK, Reason(Tier.DEFAULT), "grant g1 lifts it"),
        Beaten(ALLOW, Reason(Tier.DEFAULT, "*", grant=GrantId("g2")), "grant g1 is used before it"),
    )


@pytest.mark.parametrize(
    ("default", "text"), [(DENY, "a grant never lifts a denial"), (ALLOW, "not needed: it is allowed anyway")]
)
def test_a_grant_that_does_nothing_is_told_too(default, text):
    assert verdict(default=default, grants=[grant("g1")]).beaten[-1].why == text


def test_the_lock_says_what_it_beats():
    assert [loser.why for loser in verdict(default=ALLOW, locked=True).beaten] == ["everything is locked"]


def test_ties_say_which_is_stricter():
    found = verdict(config={"github/c*": DENY, "github/*e": ALLOW})
    assert found.beaten[0].why == "github/c* is as specific and stricter"


# --- the configuration ------------------------------------------------------------------------------------------------


def test_a_wrong_pattern_in_the_configuration_is_refused():
    with pytest.raises(Invalid, match="'github' is not a pattern"):
        ConfigPolicy({"github": ALLOW}, ASK)


def test_the_digest_knows_the_contents_and_not_their_order():
    one, two = {"a/*": ALLOW, "b/*": DENY}, {"b/*": DENY, "a/*": ALLOW}
    assert ConfigPolicy(one, ASK).digest == ConfigPolicy(two, ASK).digest
    assert ConfigPolicy(one, ASK).digest != ConfigPolicy(one, DENY).digest
    assert ConfigPolicy({"a/*": DENY, "b/*": DENY}, ASK).digest != ConfigPolicy(one, ASK).digest


def test_an_unknown_action_is_refused_with_the_words_that_are_known():
    assert parse_action("require-approval") is ASK
    with pytest.raises(
        Invalid, match=re.escape("'requires-approval' is not a policy. Write one of: allow, deny, require-approval")
    ):
        parse_action("requires-approval")


def test_a_rule_that_a_newer_release_changed_may_forbid_but_not_permit():
    assert verdict(rules=[rule("*", ALLOW, foreign=True)]).action is ASK
    assert verdict(rules=[rule("*", DENY, foreign=True)]).action is DENY


# --- whatever is configured -------------------------------------------------------------------------------------------

actions = st.sampled_from(Action)
patterns = st.sampled_from(["*", "*/*", "a/*", "b/*", "a/x", "a/x*", "a/*x", "*/x", "a/xy", "b/x"])
tools = st.sampled_from(["a/x", "a/xy", "b/x", "a/y/x"])
configs = st.dictionaries(patterns, actions, max_size=6)
rule_sets = st.dictionaries(patterns, actions, max_size=5).map(lambda found: [rule(*item) for item in found.items()])
grant_sets = st.lists(st.builds(grant, st.sampled_from(["g1", "g2"]), patterns), max_size=2)


@for_all(tools, configs, actions, rule_sets, st.randoms(use_true_random=False))
def test_the_order_in_which_things_were_written_does_not_matter(tool, config, default, rules, random):
    found = verdict(tool, config=config, default=default, rules=rules)
    mixed, shuffled = list(config.items()), list(rules)
    random.shuffle(mixed)
    random.shuffle(shuffled)
    assert verdict(tool, config=dict(mixed), default=default, rules=shuffled) == found


@for_all(tools, configs, actions, rule_sets, grant_sets)
def test_the_winner_is_in_the_first_tier_that_says_anything(tool, config, default, rules, grants):
    found = verdict(tool, config=config, default=default, rules=rules, grants=grants)
    tiers = [Tier.LOCK, Tier.RULE, Tier.EXACT, Tier.PATTERN, Tier.DEFAULT]
    order = [tiers.index(loser.reason.tier) for loser in found.beaten if loser.reason.grant is None]
    assert all(tiers.index(found.reason.tier) <= place for place in order)
    assert order == sorted(order)


@for_all(tools, configs, actions, rule_sets, grant_sets)
def test_grants_change_an_ask_to_an_allow_and_nothing_else(tool, config, default, rules, grants):
    without = verdict(tool, config=config, default=default, rules=rules).action
    with_grants = verdict(tool, config=config, default=default, rules=rules, grants=grants).action
    assert with_grants is without or (without is ASK and with_grants is ALLOW and grants)


@for_all(tools, configs, actions, rule_sets, grant_sets)
def test_locked_means_denied(tool, config, default, rules, grants):
    assert verdict(tool, config=config, default=default, rules=rules, grants=grants, locked=True).action is DENY
