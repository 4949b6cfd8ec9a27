"""config check, explain and replay."""

from portero.domain.events import CatalogueTool
from portero.domain.values import ToolFacts
from tests.cli.home import Home

POLICIES = {
    "policies": {"disk/*": "deny", "disk/read*": "allow", "disk/read_secret": "require-approval"},
    "defaultPolicy": "require-approval",
}


# --- config check -----------------------------------------------------------------------------------------------------


def test_a_good_configuration(home: Home) -> None:
    home.configure(policies=POLICIES)
    ran = home.run("config", "check", "--json")
    assert ran.code == 0
    assert ran.json["ok"]
    assert ran.json["policies"]["disk/*"] == "deny"
    assert "3, and require-approval for everything else" in home.run("config", "check").out


def test_every_problem_of_a_bad_one_at_once(home: Home) -> None:
    home.configure(policies={"policies": {"a/b": "yes"}}, replacements={"replacements": [{"fake": "x"}]})
    ran = home.run("config", "check", "--json")
    assert ran.code == 1
    assert not ran.json["ok"]
    assert len(ran.json["problems"]) >= 2
    assert ran.err.count("\n") == len(ran.json["problems"])


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_names_what_decides_and_what_it_beat(home: Home) -> None:
    home.configure(policies=POLICIES)
    home.on_log(lambda scribe: scribe.offer("disk", CatalogueTool("read_all", ToolFacts(read_only=True))))
    told = home.run("explain", "disk/read_all", "--json").json
    assert (told["policy"], told["known"]) == ("allow", True)
    assert told["reason"] == {"tier": "config-pattern", "pattern": "disk/read*"}
    assert [(beaten["policy"], beaten["reason"]["tier"]) for beaten in told["beaten"]] == [
        ("deny", "config-pattern"),
        ("require-approval", "config-default"),
    ]
    seen = home.on_terminal("explain", "disk/read_all")
    assert "disk/read_all: allow. A call runs at once." in seen
    assert "Decided by policies.json, disk/read*." in seen
    assert "disk/read* is more specific" in seen
    assert "read-only" in seen


def test_explain_sees_rules_grants_and_the_lock(home: Home) -> None:
    home.configure(policies=POLICIES)
    home.run("grant", "disk/read_secret", "1h")
    granted = home.run("explain", "disk__read_secret", "--json").json
    assert granted["toolName"] == "disk/read_secret"
    assert (granted["policy"], "grant" in granted["reason"]) == ("allow", True)
    rule = home.run("deny", "disk/*", "--json").json["rule_id"]
    assert home.run("explain", "disk/read_secret", "--json").json["reason"] == {
        "tier": "rule",
        "pattern": "disk/*",
        "rule": rule,
    }
    home.run("lock")
    assert home.run("explain", "disk/read_secret", "--json").json["reason"]["tier"] == "lock"


def test_what_a_configured_denial_means_for_a_grant_and_for_a_rule(home: Home) -> None:
    home.configure(policies=POLICIES)
    home.on_log(
        lambda scribe: scribe.offer("disk", CatalogueTool("wipe", ToolFacts()), CatalogueTool("read", ToolFacts()))
    )
    assert "policies.json denies disk/wipe: a grant does not lift that." in home.run("grant", "disk/*", "1h").out
    assert home.run("explain", "disk/wipe", "--json").json["policy"] == "deny"
    assert "policies.json denies disk/wipe: this rule overrides that." in home.run("allow", "disk/*").out
    assert home.run("explain", "disk/wipe", "--json").json["policy"] == "allow"


def test_explain_says_when_there_is_no_such_tool(home: Home) -> None:
    home.configure(policies=POLICIES)
    assert "refused as unknown" in home.run("explain", "disk/reed").out
    assert home.run("explain", "nonsense").code == 2


# --- replay -----------------------------------------------------------------------------------------------------------


def test_replay_rebuilds_the_same_state(home: Home) -> None:
    home.run("approve", home.ask())
    home.run("grant", "a/*", "1h")
    told = home.run("replay", "--json")
    assert told.code == 0
    assert told.json["equal"]
    assert told.json["events"] == 5
    assert told.json["rebuilt"] == told.json["current"]


def test_replay_notices_an_event_that_is_gone(home: Home) -> None:
    home.ask()
    assert home.place is not None
    entries = home.place.redis.xrange(home.place.key("log"))
    home.place.redis.xdel(home.place.key("log"), entries[1][0])
    ran = home.run("replay")
    assert ran.code == 1
    assert "missing" in ran.err


def test_a_pattern_that_says_a_real_value_is_not_put_on_the_log(home: Home) -> None:
    home.configure(replacements={"replacements": [{"fake": "Jane Roe", "real": "${WHO}", "bidirectional": True}]})
    home.extra["WHO"] = "Maria Real"
    for command in (("deny",), ("allow",), ("grant",)):
        ran = home.run(*command, "mail/send_to_Maria Real", *(["1h"] if command == ("grant",) else []))
        assert ran.code == 2
        assert "Write 'mail/send_to_Jane Roe'." in ran.err
    assert home.run("rules", "--json").json["count"] == 0
    assert home.run("deny", "mail/send_to_Jane Roe").code == 0
