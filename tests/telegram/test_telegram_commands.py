"""Commands: what they do, what they say of it first, and pages instead of cuts."""

from portero.domain.values import Action, Status
from portero.telegram.render.answers import COMMANDS
from tests.stores import Place
from tests.telegram.fake_api.markup import units
from tests.telegram.office import ANA, CLI, open_office

OLD = [
    "start",
    "help",
    "whoami",
    "pair",
    "status",
    "grant",
    "revoke",
    "allow",
    "deny",
    "rules",
    "unrule",
    "tasks",
    "pending",
    "logs",
]
NEW = ["task", "lock", "unlock", "grants"]


async def test_commands_complete_while_typing(valkey: Place) -> None:
    async with open_office(valkey) as office:
        scopes = await office.until(
            lambda: len(office.api.world.commands) == 2 and office.api.world.commands, "commands"
        )
        [mine] = [commands for scope, commands in scopes.items() if str(ANA) in scope]
        assert {command["command"] for command in mine} == {entry.command for entry in COMMANDS}
        assert {*OLD, *NEW} - {"start", "pair"} <= {command["command"] for command in mine}


async def test_every_command_is_answered(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for command in (*OLD, *NEW):
            answer = await office.asks(office.ana, f"/{command}")
            assert "do not know that command" not in answer.text
        unknown = await office.asks(office.ana, "/frobnicate")
        assert "do not know that command" in unknown.text


async def test_grant_with_a_use_limit_and_its_button(valkey: Place) -> None:
    async with open_office(valkey) as office:
        answer = await office.asks(office.ana, "/grant fixture/* 30m 5")
        assert "Granted fixture/* for 30 min, at most 5 uses" in answer.text
        assert f"{len(list(office.first.view.upstreams.tools()))} tools match now" in answer.text
        assert "may destroy" in answer.text
        assert "stays denied" in answer.text
        [grant] = office.first.view.grants.active(office.clock())
        assert (grant.pattern, grant.uses, grant.by.id) == ("fixture/*", 5, str(ANA))
        said = await office.answer(office.ana.taps(answer, "Revoke"))
        assert "Revoked" in said["text"]
        assert not office.first.view.grants.active(office.clock())


async def test_revoke_one_or_all(valkey: Place) -> None:
    async with open_office(valkey) as office:
        for tool in ("a", "b", "c"):
            await office.asks(office.ana, f"/grant fixture/{tool} 1h")
        listed = await office.asks(office.ana, "/grants")
        grants = office.first.view.grants.active(office.clock())
        assert listed.labels() == [f"Revoke {grant.id}" for grant in grants]
        await office.asks(office.ana, f"/revoke {grants[0].id}")
        assert len(office.first.view.grants.active(office.clock())) == 2
        answer = await office.asks(office.ana, "/revoke")
        assert all(grant.id in answer.text for grant in grants[1:])
        assert not office.first.view.grants.active(office.clock())


async def test_allow_says_what_it_means_and_a_denial_needs_a_second_tap(valkey: Place) -> None:
    async with open_office(valkey) as office:
        answer = await office.asks(office.ana, "/allow fixture/effect")
        assert "1 tool matches now" in answer.text
        assert [(rule.pattern, rule.action) for rule in office.first.view.rules] == [("fixture/effect", Action.ALLOW)]
        question = await office.asks(office.ana, "/allow fixture/*")
        assert "The configuration denies what this would allow: fixture/hidden" in question.text
        assert len(office.first.view.rules) == 1
        assert (await office.answer(office.eve.taps(question, "Yes")))["text"] == "This is not for you."
        office.ana.taps(question, "Yes")
        await office.until(lambda: len(office.first.view.rules) == 2, "the rule is set")
        await office.until(lambda: "Allowed for good" in question.text, "the question tells it")
        removed = await office.answer(office.ana.taps(question, "Remove"))
        assert "is removed" in removed["text"]


async def test_a_confirmation_is_for_what_was_shown_and_for_who_asked(valkey: Place) -> None:
    settings = {"admin_user_ids": (43,), "admin_chat_id": -100}
    settings["admin_user_ids"] = (ANA, 43)
    async with open_office(valkey, settings=settings) as office:
        office.api.world.group(-100, ANA, 43)
        question = await office.asks(office.ana, "/allow fixture/*", chat=-100)
        office.ben.taps(question, "Yes")
        await office.until(lambda: "somebody else" in question.text, "another person's tap confirms nothing")
        question = await office.asks(office.ana, "/allow fixture/*", chat=-100)
        asked = office.api.world.chats[-100].messages[question.reply_to or 0]
        asked.text = "/allow *"
        office.ana.taps(question, "Yes")
        await office.until(lambda: "has changed" in question.text, "an edited command confirms nothing")
        dismissed = await office.asks(office.ana, "/allow fixture/*", chat=-100)
        office.ana.taps(dismissed, "No")
        await office.until(lambda: "Nothing was changed" in dismissed.text, "it is dismissed")
        assert not list(office.first.view.rules)


async def test_deny_and_unrule(valkey: Place) -> None:
    async with open_office(valkey) as office:
        answer = await office.asks(office.ana, "/deny fixture/*")
        assert "Denied for good" in answer.text
        [rule] = office.first.view.rules
        listed = await office.asks(office.ana, "/rules")
        assert "deny fixture/*" in listed.text
        await office.asks(office.ana, f"/unrule {rule.id}")
        assert not list(office.first.view.rules)
        again = await office.asks(office.ana, f"/unrule {rule.id}")
        assert "no such rule" in again.text


async def test_the_lock_freezes_approvals(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        await office.asks(office.ana, "/lock strange things")
        answer = await office.answer(office.ana.taps(card, "Approve"))
        assert "locked" in answer["text"]
        assert answer["alert"]
        assert "Locked by Ana" in (await office.asks(office.ana, "/status")).text
        await office.asks(office.ana, "/unlock")
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)


async def test_status_shows_things_as_they_are(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.first.ask()
        await office.asks(office.ana, "/grant fixture/x 1h")
        tools = len(list(office.first.view.upstreams.tools()))
        text = (await office.asks(office.ana, "/status")).text
        assert f"🟢 fixture · {tools} tools" in text
        for words in ("1 pending", "1 grant:", "1 replica", "0 events behind", "Nothing archived", "Valkey"):
            assert words in text


async def test_long_lists_are_paged_not_cut(valkey: Place) -> None:
    async with open_office(valkey) as office:
        calls = [await office.first.ask(str(number)) for number in range(40)]
        listed = await office.asks(office.ana, "/pending")
        seen = set()
        for page in (1, 2, 3):
            assert f"page {page} of 3" in listed.text
            assert units(listed.text) <= 4096
            seen |= {call for call in calls if call in listed.text}
            if page < 3:
                before = listed.text
                office.ana.taps(listed, "More")
                await office.until(lambda before=before: listed.text != before, "the page turns")
        assert seen == set(calls)
        office.ana.taps(listed, "Back")
        await office.until(lambda: "page 2 of 3" in listed.text, "it turns back")


async def test_logs_with_filters(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        office.ana.taps(await office.card(call), "Deny")
        await office.status(call, Status.DENIED)
        await office.first.run("echo", text="x")
        await office.first.run("hidden")
        await office.asks(office.ana, "/deny fixture/never")
        assert "fixture/effect denied by Ana" in (await office.asks(office.ana, "/logs decisions")).text
        results = (await office.asks(office.ana, "/logs results")).text
        assert "fixture/echo done" in results
        assert "effect" not in results
        assert "rule set by Ana" in (await office.asks(office.ana, "/logs rules")).text
        assert "fixture/hidden" in (await office.asks(office.ana, "/logs denied")).text
        assert "fixture/echo" in (await office.asks(office.ana, "/logs echo")).text
        assert "Nothing like that" in (await office.asks(office.ana, "/logs zebra")).text


async def test_one_task_again_with_its_buttons(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask("look closely")
        first = await office.card(call)
        office.ana.says(f"/task {call[:6]}")
        again = await office.until(
            lambda: [m for m in office.api.world.of_bot(ANA) if "look closely" in m.text and m is not first], "again"
        )
        office.ana.taps(again[0], "Approve")
        await office.status(call, Status.COMPLETED)
        await office.until(lambda: "Done in" in first.text and "Done in" in again[0].text, "both cards tell the end")
        assert "no task" in (await office.asks(office.ana, "/task zzzzzz")).text


async def test_what_the_command_line_decides_shows_on_the_card(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        await office.first.decisions.deny(call, CLI, reason="no")
        await office.until(lambda: "Denied by root on the command line" in card.text, "the card tells it")
