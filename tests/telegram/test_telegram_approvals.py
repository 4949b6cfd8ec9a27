"""Cards, taps and outcomes, through the real aiogram and a real log."""

from handlers.calls.kept import BLOB_BYTES
from portero.domain.values import Action, Status
from tests.stores import Place
from tests.telegram.office import ANA, open_office, refused


async def test_a_call_is_shown_approved_run_and_told(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask("hello Jane Doe")
        card = await office.card(call)
        assert "Approval needed" in card.text
        assert "hello ⟪Jane Doe⟫" in card.text
        assert "1 of 1 argument shown" in card.text
        query = office.ana.taps(card, "✅ Approve")
        assert (await office.answer(query))["text"] == "✅ Approved"
        await office.status(call, Status.COMPLETED)
        assert office.effects_seen() == ["hello Maria Huber"]
        await office.until(lambda: "Done in" in card.text, "the card tells the outcome")
        assert "Approved by Ana" in card.text
        assert card.keyboard == []
        told = await office.says("Done in")
        assert told.silent
        assert refused(office.api) == []


async def test_what_is_sent_beside_the_arguments_is_shown_too_while_it_is_kept(valkey: Place) -> None:
    extra = {"inputResponses": {"who": f"Jane Doe {'x' * BLOB_BYTES}"}, "requestState": "r"}
    async with open_office(valkey) as office:
        call = await office.first.ask("hello", extra=extra)
        card = await office.card(call)
        assert "2 of 3 arguments shown whole here, all 3 in the attached file" in card.text
        assert "(request).inputResponses.who" in card.text
        file = office.api.world.chats[ANA].messages[card.reply_to or 0].document or b""
        assert f"| ⟪Jane Doe⟫ {'x' * BLOB_BYTES}\n" in file.decode()
        reveal = await office.answer(office.ana.taps(card, "Show real values"))
        assert "Jane Doe → Maria Huber" in reveal["text"]
        valkey.redis.delete(valkey.key(f"blob:{call}.extra"))
        office.ana.says(f"/task {call}")
        bare = await office.says("What it sends beside its arguments is no longer kept.")
        assert not [label for label in bare.labels() if "Approve" in label]


async def test_every_button_does_what_it_says(valkey: Place) -> None:
    wanted = {
        "Approve": (Status.COMPLETED, 0, None),
        "Deny": (Status.DENIED, 0, None),
        "grant 10 min": (Status.COMPLETED, 1, None),
        "grant 1 h": (Status.COMPLETED, 1, None),
        "always allow": (Status.COMPLETED, 0, Action.ALLOW),
        "always deny": (Status.DENIED, 0, Action.DENY),
    }
    async with open_office(valkey) as office:
        for label, (status, grants, action) in wanted.items():
            call = await office.first.ask(label, tool="shout")
            office.ana.taps(await office.card(call), label)
            done = await office.status(call, status)
            by = done.approved_by or done.decided_by
            assert by is not None
            assert (by.kind, by.id, by.name) == ("telegram", str(ANA), "Ana")
            view = office.first.view
            held = view.grants.active(office.clock())
            assert len(held) == grants
            assert [(rule.pattern, rule.literal, rule.action) for rule in view.rules] == (
                [("fixture/shout", True, action)] if action else []
            )
            assert all((grant.pattern, grant.literal) == ("fixture/shout", True) for grant in held)
            for grant in held:
                minutes = (grant.expires_at - grant.issued_at) / 60_000
                assert minutes == (10 if "10" in label else 60)
                await office.first.decisions.revoke(grant.id, by)
            for rule in list(view.rules):
                await office.first.decisions.remove_rule(rule.id, by)
            await office.first.core.catch_up()


async def test_a_reply_denies_with_its_text_as_the_reason(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        office.ana.says("Not on Sundays", reply_to=card)
        denied = await office.status(call, Status.DENIED)
        assert denied.denied_reason == "Not on Sundays"
        await office.until(lambda: "Reason: Not on Sundays" in card.text, "the card tells the reason")
        office.ana.says("again", reply_to=card)
        await office.says("Already denied by Ana")


async def test_a_late_tap_hears_who_was_first(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        data = card.button("Deny")
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)
        answer = await office.answer(office.ana.sends_data(card, data))
        assert "by Ana" in answer["text"]
        assert "Already" in answer["text"]
        assert answer["alert"]
        assert office.effects_seen() == ["one"]


async def test_real_values_are_told_in_an_alert_only(valkey: Place) -> None:
    async with open_office(valkey) as office:
        card = await office.card(await office.first.ask("Jane Doe pays from DE00"))
        answer = await office.answer(office.ana.taps(card, "Show real values"))
        assert answer == {"query": answer["query"], "text": "Jane Doe → Maria Huber\nDE00 → AT61 1904", "alert": True}
        assert "Maria" not in "".join(text for message in office.api.world.of_bot(ANA) for text in message.log)


async def test_a_setting_shows_real_values_on_the_card(valkey: Place) -> None:
    async with open_office(valkey, settings={"show_real": True}) as office:
        card = await office.card(await office.first.ask("Jane Doe"))
        assert "⟪Jane Doe → Maria Huber⟫" in card.text


async def test_what_does_not_fit_is_attached_before_the_card(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask("x" * 100_000)
        card = await office.card(call)
        assert "all 1 in the attached file" in card.text
        file = office.api.world.chats[ANA].messages[card.reply_to or 0]
        assert file.document is not None
        assert b"x" * 100_000 in file.document
        assert call in (file.filename or "")
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)
        await office.until(lambda: "Done in" in card.text, "the card tells the outcome")
        assert len([m for m in office.api.world.of_bot(ANA) if m.document]) == 1
        assert refused(office.api) == []


async def test_a_failure_is_told_at_once_and_aloud(valkey: Place) -> None:
    async with open_office(valkey, policies={}) as office:
        call = await office.first.ask(tool="fail", code=17, message="no <such> thing")
        office.ana.taps(await office.card(call), "Approve")
        told = await office.says("Failed after")
        assert "no <such> thing" in told.text
        assert not told.silent
        assert told.reply_to == (await office.card(call)).id


async def test_a_late_edit_of_an_old_state_does_not_stay(valkey: Place) -> None:
    """Two replicas edit one card, and the one that knew less comes last."""
    async with open_office(valkey, replicas=2) as office:
        call = await office.first.ask()
        card = await office.card(call)
        old = office.first.call(call)
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)
        await office.until(lambda: "Done in" in card.text, "the card tells the outcome")
        before = len(card.log)
        await office.replicas[1].bot.notifier.call_changed(old)
        assert "Approval needed" in card.log[before]
        assert "Done in" in card.text
        assert card.keyboard == []


async def test_approvals_expire_and_say_so(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        office.clock.ahead += 86_400_000
        await office.status(call, Status.EXPIRED)
        await office.until(lambda: "Expired" in card.text, "the card tells it")
        told = await office.says("Nobody decided in time")
        assert not told.silent
        assert card.keyboard == []
        assert office.effects_seen() == []
