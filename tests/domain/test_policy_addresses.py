"""Policies for resources: no spelling of an address opens what another one does not."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from portero.domain.addresses import normal
from portero.domain.patterns import Pattern, readings
from portero.domain.policy import STRICTNESS, ConfigPolicy, decide_policy
from portero.domain.values import Action
from tests.domain.standing import grant, rule
from tests.domain.test_addresses import LOOSE
from tests.domain.test_policy import verdict

ALLOW, DENY, ASK = Action.ALLOW, Action.DENY, Action.ASK
SECRET = "fs/resource:file:///secret/key"
SPELLINGS = [
    "file:///secret/%6bey",
    "FILE:///secret/key",
    "file:///public/../secret/key",
    "file:///public/%2e%2E/secret/key",
    "file:///public/..%2fsecret%2Fkey",
    "file:///public/%252e%252e/secret/key",
    "file:///public//../secret/key",
    "file:///secret/./key",
    "file://///secret//key",
    "file:/secret/key",
    "file:secret/key",
    "file://localhost/secret/key",
    "file://:/secret/key",
    "file:///SECRET/Key",
    "file:///secret\\key",
    " file:///secret/key",
    "fi\tle:///secret/key",
    "file:///secret/k\uff45y",
    "file:///public/x%2Fy/../../secret%2Fkey",
]


@pytest.mark.parametrize("uri", SPELLINGS)
@pytest.mark.parametrize(
    "denial", [SECRET, "fs/resource:file:///secret/*", "*/resource:*/SECRET/k*", "fs/resource*:*secret*"]
)
@pytest.mark.parametrize("permission", ["*", "fs/resource:*", "fs/resource:f*", "*/resource:*l*"])
def test_a_denial_holds_for_every_spelling(denial, permission, uri):
    config = {permission: ALLOW, denial: DENY}
    assert verdict(f"fs/resource:{uri}", config=config, default=ALLOW).action is DENY
    rules = [rule(denial, DENY)]
    assert verdict(f"fs/resource:{uri}", rules=rules, default=ALLOW, grants=[grant("g1")]).action is DENY


@pytest.mark.parametrize(("one", "other"), LOOSE)
def test_also_where_the_denial_is_the_odd_one(one, other):
    pairs = [(denied, asked) for denied, asked in ((one, other), (other, one)) if denied.strip().isprintable()]
    assert pairs
    for denied, asked in pairs:
        rules = [rule(f"fs/resource:{denied}", DENY, literal=True)]
        assert verdict(f"fs/resource:{asked}", rules=rules, default=ALLOW).action is DENY


@pytest.mark.parametrize("uri", SPELLINGS)
def test_a_question_is_asked_about_every_spelling(uri):
    assert verdict(f"fs/resource:{uri}", config={SECRET: ASK}, default=ALLOW).action is ASK
    assert verdict(f"fs/resource:{uri}", rules=[rule(SECRET, ASK)], default=ALLOW).action is ASK


def test_an_empty_segment_is_taken_back_by_some_servers_only():
    """What is behind it is here or there; either may be denied, and either may be the address that is denied."""
    odd = "fs/resource:file:///public//%2e%2e%2Fsecret"
    for meant in ("fs/resource:file:///secret", "fs/resource:file:///public/secret"):
        assert verdict(odd, config={meant: DENY}, default=ALLOW).action is DENY
        assert verdict(meant, config={odd: DENY}, default=ALLOW).action is DENY


@pytest.mark.parametrize("uri", SPELLINGS)
def test_a_longer_permission_for_where_it_seems_to_be_does_not_win(uri):
    config = {"fs/resource:file:///public/*": ALLOW, "fs/resource:file:///s*": DENY}
    assert verdict(f"fs/resource:{uri}", config=config, default=ALLOW).action is DENY


def test_neither_permission_overrides_the_other_denial():
    there, here = "fs/resource:file:///a/../b", "fs/resource:file:///b"
    assert verdict(there, config={there: ALLOW, here: DENY}).action is DENY
    assert verdict(there, config={there: DENY, here: ALLOW}).action is DENY
    assert verdict(here, config={there: DENY, here: ALLOW}).action is DENY
    assert verdict(here, config={there: ALLOW, here: ASK}).action is ASK


def test_a_permission_does_not_open_other_spellings():
    config = {"fs/resource:file:///public/*": ALLOW}
    assert verdict("fs/resource:file:///public/a", config=config).action is ALLOW
    assert verdict("fs/resource:file:///%70ublic/a", config=config).action is ASK
    assert verdict("fs/resource:file:///public/../etc/passwd", config=config).action is ASK
    assert verdict("fs/resource:https://good@bad/", config={"fs/resource:https://good*": ALLOW}).action is ASK


@pytest.mark.parametrize(
    ("uri", "pattern"),
    [
        ("note://Board/Minutes", "fs/resource:note://Board/Minutes"),
        ("note://Board/Minutes", "fs/resource:note://Board/*"),
        ("note://Board/Minutes", "fs/resource:*/Minutes"),
        ("note://Board/Minutes", "fs/*Board/Min*"),
        ("note://Board", "fs/resource:*://Board"),
        ("Note://Board/a//b/%7Eana?q=a/../b", "fs/resource:Note://Board/a//*"),
        ("file:///pub/", "fs/resource:file:///pub/*"),
        ("readme://x.md", "*/resource:*.md"),
        ("http://host:80/a%20b/c", "fs/resource:http://host:80/a%20b/*"),
        ("urn:Isbn:1", "fs/resource:urn:Isbn:*"),
        ("https://ana@host/x", "fs/resource:https://ana@host/*"),
        ("note://{id}", "fs/resource:note://{id}"),
        ("file:///Jose\u0301", "fs/resource:file:///Jose\u0301"),
    ],
)
def test_what_a_pattern_permits_as_it_is_written_is_permitted(uri, pattern):
    assert verdict(f"fs/resource:{uri}", rules=[rule(pattern, ALLOW)]).action is ALLOW
    assert verdict(f"fs/resource:{uri}", config={pattern: ALLOW}).action is ALLOW
    assert verdict(f"fs/resource:{uri}", grants=[grant("g1", pattern)]).action is ALLOW
    literal = [rule(f"fs/resource:{uri}", ALLOW, literal=True)]
    assert verdict(f"fs/resource:{uri}", rules=literal, default=DENY).action is ALLOW


@pytest.mark.parametrize("uri", [uri for uri in SPELLINGS if uri.strip().isprintable()])
def test_a_grant_from_a_card_is_for_the_address_on_the_card_alone(uri):
    written = f"fs/resource:{uri}"
    for granted, asked in ((SECRET, written), (written, SECRET)):
        grants = [grant("g1", granted, literal=True)]
        assert verdict(granted, grants=grants).action is ALLOW
        assert verdict(asked, grants=grants).action is ASK
        assert verdict(asked, rules=[rule(granted, ALLOW, literal=True)]).action is ASK


def test_a_grant_must_hold_for_what_the_address_means():
    grants = [grant("g1", "fs/resource:file:///public/*")]
    assert verdict("fs/resource:file:///public/../secret", grants=grants).action is ASK
    both = [*grants, grant("g2", "fs/*", uses=1)]
    assert verdict("fs/resource:file:///public/../secret", grants=both).reason.grant == "g2"


def test_case_that_decides_where_it_counts_does_not_help_who_lies_about_it():
    """``PUB`` and ``pub`` may be two folders; the longer permission is for one of them."""
    config = {"fs/resource:file:///PUB/*": ALLOW, "fs/resource:file:///p*": DENY}
    assert verdict("fs/resource:file:///PUB/x", config=config).action is ALLOW
    assert verdict("fs/resource:file:///PUB/../pub/x", config=config).action is DENY


def test_a_question_that_is_only_meant_does_not_lift_a_denial():
    config = {"fs/resource:file:///a b/*": DENY, "fs/resource:file:///A b/pub*": ASK}
    assert verdict("fs/resource:file:///a%20b/pub", config=config, default=ALLOW).action is DENY


def test_what_another_spelling_decided_is_said():
    found = verdict("fs/resource:file:///a/../secret/key", config={SECRET: DENY, "fs/resource:*": ALLOW})
    assert (found.reason.pattern, found.beaten[0].action) == (SECRET, ALLOW)
    assert found.beaten[0].why == "another way to write the same address is decided more strictly"


def test_completion_of_an_address_goes_the_same_way():
    found = verdict("fs/resource:file:///public/../secret/key", config={SECRET: DENY}, default=ALLOW)
    assert found.action is DENY


@pytest.mark.parametrize("name", ["fs/read_file", "fs/file:///a/../b", "fs/prompt:a/../b", "fs/a%2Fb", "fs/Resource:x"])
def test_names_of_tools_and_prompts_have_one_reading(name):
    assert readings(name) == []
    config = ConfigPolicy({name: ALLOW, "*": DENY}, DENY)
    found = decide_policy(name, None, config=config, rules=(), grants=(), locked=False, now=0)
    assert (found.action, len(found.beaten)) == (ALLOW, 2)


def test_letters_put_together_from_parts_are_the_same_letters_in_a_pattern():
    config = {"fs/cafe\u0301": DENY, "fs/e\u0301*": ASK}
    assert verdict("fs/caf\u00e9", config=config, default=ALLOW).action is DENY
    assert verdict("fs/\u00e9a", config=config, default=ALLOW).action is ASK
    assert str(Pattern.parse("fs/cafe\u0301")) == "fs/caf\u00e9"


pieces = st.sampled_from(
    ["a", "A", "%61", "b", "/", "//", "/./", "/../", "%2e%2e", "%2F", "\\", "?", "#", "*", ":", "@"]
)
uris = st.builds(lambda scheme, rest: scheme + "".join(rest), st.sampled_from(["x://", "X:", ""]), st.lists(pieces))
entries = st.dictionaries(uris.map(lambda uri: f"s/resource:{uri}"), st.sampled_from(list(Action)), max_size=4)


@for_all(uris, entries, st.sampled_from(list(Action)))
def test_the_address_as_written_and_its_normal_form_are_both_obeyed(uri, config, default):
    """Whatever stands in the policies: never less strict than for the address as written alone."""
    found = verdict(f"s/resource:{uri}", config=config, default=default)
    for spelling in (uri, normal(uri)):
        literal = {f"s/resource:{spelling}": DENY}
        denied = verdict(
            f"s/resource:{uri}", rules=[rule(*literal, DENY, literal=True)], config=config, default=default
        )
        assert denied.action is DENY
    plain = written_alone(f"s/resource:{uri}", config, default)
    assert STRICTNESS[found.action] >= STRICTNESS[plain]


def written_alone(name, config, default):
    """The old rule: exact first, then the most specific pattern, then the strictest."""
    if name in config and "*" not in name:
        return config[name]
    patterns = [(Pattern.parse(text), action) for text, action in config.items() if "*" in text]
    matching = [(p.specificity, STRICTNESS[action], action) for p, action in patterns if p.matches_name(name)]
    return max(matching)[2] if matching else default
