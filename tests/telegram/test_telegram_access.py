"""Who may: people by user id, in the admin chat or alone with the bot; nobody else has any effect."""

from typing import Any

import pytest

from portero.domain.values import Status
from portero.settings import Secret, TelegramSettings
from portero.telegram.people import ATTEMPTS, Answer, PairingCode, People, Sender
from tests.stores import Place
from tests.telegram.office import ANA, BEN, EVE, Office, open_office, settings_for

GROUP = -100
NOBODY: dict[str, Any] = {"admin_chat_id": None, "pairing_code": Secret("sesame")}


async def nothing_changed(office: Office, call: str) -> None:
    """After what was done has surely been processed: the admin's own question has come through behind it."""
    await office.until(lambda: not office.api.world.updates or len(office.api.world.updates) == 0, "all updates taken")
    await office.first.core.catch_up()
    found = office.first.view.calls.find(call)
    assert found.status is Status.PENDING
    assert not list(office.first.view.rules)


async def test_strangers_have_no_effect(valkey: Place) -> None:
    async with open_office(valkey) as office:
        call = await office.first.ask()
        card = await office.card(call)
        for label in card.labels():
            answer = await office.answer(office.eve.taps(card, label))
            assert answer["text"] == "This is not for you."
        for text in ("/allow *", "/deny *", "/lock", "/revoke", "/unlock", "/grant * 1h", "/pair sesame", "hello"):
            office.eve.says(text)
        office.eve.says("no", reply_to=card)
        await office.asks(office.ana, "/whoami")
        await nothing_changed(office, call)
        assert office.first.view.locked is None
        assert len(office.api.world.of_bot(EVE)) == 1, "a stranger gets one line"
        assert len(office.api.world.of_bot(EVE)[0].text.splitlines()) == 1


async def test_a_group_needs_user_ids_and_hides_nobody(valkey: Place) -> None:
    settings = {"admin_chat_id": GROUP, "admin_user_ids": (ANA,)}
    async with open_office(valkey, settings=settings) as office:
        group = office.api.world.group(GROUP, ANA, BEN)
        call = await office.first.ask()
        card = await office.card(call, chat=GROUP)
        assert (await office.answer(office.ben.taps(card, "Approve")))["text"] == "This is not for you."
        office.ben.says("/lock", chat=GROUP)
        office.ana.says("/lock", chat=GROUP, anonymous=True)
        office.ana.says("no", chat=GROUP, anonymous=True, reply_to=card)
        said = await office.asks(office.ana, "/whoami@portero_bot", chat=GROUP)
        assert "You are Ana" in said.text
        await nothing_changed(office, call)
        assert office.first.view.locked is None
        assert [m.reply_to for m in office.api.world.of_bot(GROUP) if "do not know" in m.text] == []
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)
        assert group.members == {ANA, BEN}


async def test_a_group_without_user_ids_lets_nobody_decide(valkey: Place) -> None:
    async with open_office(valkey, settings={"admin_chat_id": GROUP}) as office:
        office.api.world.group(GROUP, ANA, BEN)
        call = await office.first.ask()
        card = await office.card(call, chat=GROUP)
        assert (await office.answer(office.ana.taps(card, "Approve")))["text"] == "This is not for you."
        await nothing_changed(office, call)


async def test_an_admin_in_another_group_has_no_effect(valkey: Place) -> None:
    """The bot was taken into a chat where others could read along, or tap."""
    async with open_office(valkey) as office:
        office.api.world.group(-200, ANA, EVE)
        office.ana.says("/lock", chat=-200)
        await office.asks(office.ana, "/whoami")
        assert office.first.view.locked is None


async def test_pairing_makes_the_first_one_admin_and_shows_what_waits(valkey: Place) -> None:
    async with open_office(valkey, settings=NOBODY) as office:
        call = await office.first.ask()
        said = await office.asks(office.ana, "/whoami")
        assert f"Your user id is {ANA}" in said.text
        said = await office.asks(office.ana, "/pair open")
        assert "not the code" in said.text
        office.ana.says("/pair sesame")
        await office.says("Paired: you are the admin now")
        office.clock.ahead += 20_000
        card = await office.card(call)
        office.eve.says("/pair sesame")
        await office.says("has its admin already", chat=EVE)
        assert (await office.answer(office.eve.taps(card, "Approve")))["text"] == "This is not for you."
        await nothing_changed(office, call)
        office.ana.taps(card, "Approve")
        await office.status(call, Status.COMPLETED)
        assert [(admin.user, admin.chat, admin.name) for admin in office.first.view.admins] == [(ANA, ANA, "Ana")]


async def test_five_wrong_codes_end_pairing_until_restart(valkey: Place) -> None:
    async with open_office(valkey, settings=NOBODY) as office:
        for number in range(ATTEMPTS):
            office.eve.says(f"/pair {number}")
        await office.says("locked until", chat=EVE)
        office.ana.says("/pair sesame")
        await office.says("locked until")
        assert not list(office.first.view.admins)
        await office.stop("r1")
        await office.start("r2", settings_for(office.api, **NOBODY))
        office.ana.says("/pair sesame")
        await office.says("Paired: you are the admin now")


async def test_two_who_pair_at_once_on_two_replicas_become_one_admin(valkey: Place) -> None:
    async with open_office(valkey, replicas=2, settings=NOBODY) as office:
        import asyncio

        from handlers.people.admins import Pairing
        from portero.errors import AlreadyDecided

        async def pair(number: int, user: int) -> bool:
            try:
                await Pairing(office.replicas[number].core).pair(user, str(user), user)
            except AlreadyDecided:
                return False
            return True

        done = await asyncio.gather(pair(0, ANA), pair(1, BEN))
        for replica in office.replicas:
            await replica.core.catch_up()
        assert sorted(done) == [False, True]
        assert [admin.user for admin in office.first.view.admins] == [ANA if done[0] else BEN]


async def test_pairing_is_off_when_somebody_is_configured(valkey: Place) -> None:
    async with open_office(valkey, settings={"pairing_code": Secret("sesame")}) as office:
        office.eve.says("/pair sesame")
        await office.says("has its admin already", chat=EVE)
        assert not list(office.first.view.admins)


def test_people_are_known_by_id_chat_and_face() -> None:
    people = People.of(settings_with(admin_chat_id=GROUP, admin_user_ids=(ANA, BEN)), [])
    assert people == People(GROUP, frozenset({ANA, BEN}))
    assert people.may(Sender(ANA, GROUP))
    assert people.may(Sender(ANA, ANA))
    assert not people.may(Sender(ANA, GROUP, masked=True))
    assert not people.may(Sender(ANA, BEN))
    assert not people.may(Sender(EVE, GROUP))
    assert not people.may(Sender(GROUP, GROUP))
    alone = People.of(settings_with(admin_chat_id=ANA), [])
    assert alone == People(ANA, frozenset({ANA}))
    nobody = People.of(settings_with(admin_chat_id=None), [])
    assert nobody == People(None, frozenset())
    assert not nobody.may(Sender(ANA, ANA))


def settings_with(**more: Any) -> TelegramSettings:
    return TelegramSettings(token=Secret("1:a"), **more)


def test_codes_are_counted_whoever_tries() -> None:
    code = PairingCode(Secret("sesame"))
    assert [code.check("x") for _ in range(ATTEMPTS)] == [Answer.WRONG] * (ATTEMPTS - 1) + [Answer.LOCKED]
    assert code.check("sesame") is Answer.LOCKED
    assert PairingCode(None).check("") is Answer.OFF
    assert PairingCode(Secret("")).check("") is Answer.OFF


@pytest.mark.parametrize("given", ["", " ", "sesame ", "Sesame", "sesam\u0435", "\ud800"])
def test_only_the_code_is_the_code(given: str) -> None:
    assert PairingCode(Secret("sesame")).check(given) is Answer.WRONG
