"""Verdicts that are kept: never an old one, and few when names are made up."""

from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.ids import Millis
from portero.domain.policy import ConfigPolicy, decide_policy
from portero.domain.policy_index import PolicyIndex
from portero.domain.values import Action
from tests.domain.standing import grant, rule
from tests.domain.stories import HOUR, MINUTE, NOW

CONFIG = ConfigPolicy({"a/*": Action.ALLOW, "a/w*": Action.ASK}, Action.ASK)


class Counted:
    """Rules that count how often they are read."""

    def __init__(self, *rules):
        self.rules, self.read = rules, 0

    def __iter__(self):
        self.read += 1
        return iter(self.rules)


def decide(index, tool, *, client="c", rules=(), grants=(), locked=False, version=1, now=NOW):
    return index.decide(
        tool, client, rules=rules, grants=grants, locked=locked, policy_version=version, now=Millis(now)
    )


def test_a_verdict_is_kept_while_nothing_changes():
    index, rules = PolicyIndex(CONFIG), Counted()
    assert decide(index, "a/x", rules=rules) is decide(index, "a/x", rules=rules)
    assert rules.read == 1


def test_a_new_policy_version_is_looked_at():
    index = PolicyIndex(CONFIG)
    assert decide(index, "a/x").action is Action.ALLOW
    assert decide(index, "a/x", rules=[rule("a/x", Action.DENY)], version=2).action is Action.DENY


def test_the_lock_is_looked_at_even_at_the_same_version():
    index = PolicyIndex(CONFIG)
    assert decide(index, "a/x").action is Action.ALLOW
    assert decide(index, "a/x", locked=True).action is Action.DENY


def test_a_grant_ends_without_any_event():
    index, grants = PolicyIndex(CONFIG), [grant("g1", "a/w*")]
    assert decide(index, "a/w", grants=grants, now=NOW + HOUR - 1).action is Action.ALLOW
    assert decide(index, "a/w", grants=grants, now=NOW + HOUR).action is Action.ASK


def test_clients_do_not_see_each_others_grants():
    index, grants = PolicyIndex(CONFIG), [grant("g1", "a/w*", client="c")]
    assert decide(index, "a/w", grants=grants).action is Action.ALLOW
    assert decide(index, "a/w", client="d", grants=grants).action is Action.ASK


def test_made_up_names_do_not_fill_the_memory():
    index = PolicyIndex(CONFIG)
    for n in range(index.SIZE + 10):
        decide(index, f"a/resource:{n}")
    assert len(index._verdicts) <= index.SIZE


tools = st.sampled_from(["a/x", "a/w", "b/x"])
steps = st.one_of(
    st.tuples(st.just("ask"), tools, st.sampled_from(["c", "d"])),
    st.tuples(st.just("rule"), tools, st.sampled_from(Action)),
    st.tuples(st.just("grant"), tools, st.integers(1, 60)),
    st.tuples(st.just("wait"), st.integers(1, 40), st.none()),
    st.tuples(st.just("lock"), st.none(), st.none()),
)


@for_all(st.lists(steps, max_size=25))
def test_what_is_kept_is_what_would_be_decided_now(story):
    index, rules, grants, locked, version, now = PolicyIndex(CONFIG), {}, [], False, 0, NOW
    for word, one, other in story:
        if word == "ask":
            kept = decide(
                index, one, client=other, rules=rules.values(), grants=grants, locked=locked, version=version, now=now
            )
            fresh = decide_policy(
                one, other, config=CONFIG, rules=rules.values(), grants=grants, locked=locked, now=Millis(now)
            )
            assert (kept.action, kept.reason) == (fresh.action, fresh.reason)
            continue
        if word == "wait":
            now += one * MINUTE
            continue
        version += 1
        if word == "rule":
            rules[one] = rule(one, other)
        elif word == "grant":
            grants.append(grant(f"g{version}", one, minutes=other + (now - NOW) // MINUTE))
        else:
            locked = not locked


def test_an_endless_name_is_decided_each_time_and_not_kept():
    index, rules = PolicyIndex(CONFIG), Counted()
    name = "a/resource:" + "x" * PolicyIndex.LONGEST
    for _ in range(3):
        assert decide(index, name, rules=rules).action is Action.ALLOW
    assert rules.read == 3


def test_a_rule_from_before_names_had_fakes_is_read_with_the_fake():
    index = PolicyIndex(CONFIG, lambda text: text.replace("real", "fake").replace("odd", "\n"))
    rules = [rule("a/real", Action.DENY), rule("a/odd", Action.DENY)]
    assert decide(index, "a/fake", rules=rules).action is Action.DENY
    assert decide(index, "a/real", rules=rules).action is Action.ALLOW
    assert decide(index, "a/odd", rules=rules).action is Action.DENY
