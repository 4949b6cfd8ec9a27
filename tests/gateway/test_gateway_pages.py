"""Lists that change between one page and the next: no error, nothing twice, and all that was there the whole time."""

import base64
import os
import random
import signal
from pathlib import Path

import pytest

from portero.domain.ids import RuleId
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action
from tests.gateway.house import ADMIN, wait_until
from tests.gateway.paging import KINDS, SMALL, Kind, Lists, Paging, opened, shown

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])
EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.member for kind in KINDS])
OWN = 4
"""Tools of Portero's own, which come first."""


@EACH
@ERAS
async def test_items_come_and_go_before_at_and_behind_the_cursor(tmp_path: Path, kind: Kind, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"one": ["n", "b", "f", "j"], "two": ["d", "h", "l"]})
    async with opened(lists) as house, house.caller(modern=modern) as caller:
        paging = Paging(kind)
        await paging.until(caller, "h")
        assert paging.shown == shown(kind, "bdfh")
        lists.remove("d", "h", "l")
        lists.add("one", "a", "g", "i", "z")
        await lists.known(house)
        assert await paging.rest(caller) == shown(kind, "ijnz")
        again = Paging(kind)
        assert await again.rest(caller) == shown(kind, "abfgijnz")


@EACH
@ERAS
async def test_all_behind_the_cursor_is_gone(tmp_path: Path, kind: Kind, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"one": ["a", "c"], "two": ["b", "d"]})
    async with opened(lists) as house, house.caller(modern=modern) as caller:
        paging = Paging(kind)
        await paging.until(caller, "b")
        lists.remove("b", "c", "d")
        await lists.known(house)
        assert await paging.turn(caller) == []
        assert paging.ended


@EACH
@ERAS
async def test_the_policy_changes_between_pages(tmp_path: Path, kind: Kind, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"one": ["a", "c", "e", "g"], "two": ["b", "d", "f"]})
    pattern = {name: f"{server}/{kind.policy(name)}" for server, names in lists.of.items() for name in names}
    async with opened(lists) as house, house.caller(modern=modern) as caller:

        async def deny(name: str) -> RuleId:
            rule = await house.decisions.set_rule(pattern[name], Action.DENY, ADMIN)
            await wait_until(lambda: any(one.id == rule for one in house.view.rules), "the rule is known")
            return rule

        async def allow(rule: RuleId) -> None:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(one.id != rule for one in house.view.rules), "the rule is gone")

        hidden = {name: await deny(name) for name in "ag"}
        paging = Paging(kind)
        await paging.until(caller, "c")
        assert paging.shown == shown(kind, "bc")
        for name in "bce":
            await deny(name)
        for rule in hidden.values():
            await allow(rule)
        assert await paging.rest(caller) == shown(kind, "dfg")


@EACH
@ERAS
async def test_a_server_is_lost_and_another_comes_up_between_pages(tmp_path: Path, kind: Kind, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"one": ["a", "d"], "two": ["b", "e"], "three": ["c", "f"]}, late=("three",))
    async with opened(lists) as house, house.caller(modern=modern) as caller:
        paging = Paging(kind)
        await paging.until(caller, "b")
        lists.starts("three").touch()
        (lost,) = [status for status in house.upstreams.status() if status.name == "two"]
        assert lost.pid is not None
        os.kill(lost.pid, signal.SIGKILL)
        await lists.known(house)
        assert await paging.rest(caller) == shown(kind, "cdef")


@EACH
@ERAS
async def test_replicas_whose_catalogues_differ_take_turns(tmp_path: Path, kind: Kind, modern: bool) -> None:
    here = Lists(tmp_path / "here", {"one": ["a", "c", "e", "g", "h"], "two": ["b", "d", "f"]})
    there = Lists(tmp_path / "there", {"two": ["cc", "d", "f", "i"], "one": ["g", "a", "ff", "c"]})
    async with (
        opened(here) as one,
        opened(there, one) as two,
        one.caller(modern=modern) as first,
        two.caller(modern=modern) as second,
    ):
        for callers in ([first, second], [second, first]):
            paging = Paging(kind)
            while not paging.ended:
                await paging.turn(callers[paging.pages % 2])
            assert paging.shown == sorted(set(paging.shown))
            assert set(shown(kind, "acdfg")) <= set(paging.shown)


@EACH
@ERAS
@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_changes_meanwhile(tmp_path: Path, kind: Kind, modern: bool, seed: int) -> None:
    """Two replicas, three servers, and a change of any sort before every page, known by then or not."""
    dice = random.Random(seed)
    lasting = [f"{letter}5" for letter in "acegikmoqs"]
    passing = [f"{letter}{number}" for letter in "abcdefghijklmnopqrstu" for number in (3, 7)]
    given: dict[str, list[str]] = {"one": [], "two": [], "three": []}
    for name in [*lasting, *passing[::2]]:
        given[dice.choice(list(given))].append(name)
    lists = Lists(tmp_path / "lists", given)
    rules: list[RuleId] = []
    async with (
        opened(lists) as one,
        opened(lists, one) as two,
        one.caller(modern=modern) as first,
        two.caller(modern=modern) as second,
    ):
        for _ in range(4):
            paging = Paging(kind)
            while not paging.ended:
                name, server = dice.choice(passing), dice.choice(list(given))
                there = next((server for server, had in lists.of.items() if name in had), None)
                how = dice.randrange(3)
                if how == 0 and there is not None:
                    pattern = f"{there}/{kind.policy(name)}"
                    rules.append(await one.decisions.set_rule(pattern, Action.DENY, ADMIN))
                elif how == 1 and rules:
                    await one.decisions.remove_rule(rules.pop(dice.randrange(len(rules))), ADMIN)
                elif there is not None:
                    lists.remove(name)
                else:
                    lists.add(server, name)
                if dice.random() < 0.5:
                    await lists.known(one, two)
                await paging.turn(dice.choice([first, second]))
            assert paging.shown == sorted(set(paging.shown))
            assert set(shown(kind, lasting)) <= set(paging.shown)


@ERAS
async def test_a_cursor_is_of_its_client_and_its_list_and_holds_nothing_hidden(tmp_path: Path, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"one": ["Tessa-1", "Tessa-2", "Tessa-3", "hidden"]})
    replacer = Replacer.from_entries([Entry("Nobody", "Tessa", bidirectional=True)])
    policies = {"one/resource:made://Nobody-3": Action.DENY, "one/*": Action.ALLOW}
    async with (
        opened(lists, replacer=replacer, policies=policies) as house,
        house.caller("client1", modern=modern) as caller,
        house.caller("client2", modern=modern) as other,
        house.caller("client1", modern=not modern) as older,
    ):
        cursor = (await caller.rpc("resources/list"))["nextCursor"]
        plain = base64.urlsafe_b64decode(cursor + "==")
        assert b"made://Nobody-2." in plain
        assert b"Tessa" not in plain
        assert b"Nobody-3" not in plain
        assert b"hidden" not in plain
        assert (await older.rpc("resources/list", {"cursor": cursor}))["resources"][0]["name"] == "hidden"
        forged = base64.urlsafe_b64encode(plain.replace(b"Nobody-2", b"Nobody-1")).decode().rstrip("=")
        made_up = base64.urlsafe_b64encode(b"1:made://Nobody-2").decode().rstrip("=")
        for who, method, given in (
            (other, "resources/list", cursor),
            (caller, "resources/templates/list", cursor),
            (caller, "tools/list", cursor),
            (caller, "resources/list", cursor[:-1]),
            (caller, "resources/list", forged),
            (caller, "resources/list", made_up),
        ):
            status, error = await who.error(method, {"cursor": given})
            assert (status, error["code"]) == (400 if modern else 200, -32602)


@ERAS
async def test_what_is_one_item_to_a_client_is_listed_once(tmp_path: Path, modern: bool) -> None:
    """The same URI of two servers, twice of one, and with a fake in the place of its real."""
    lists = Lists(tmp_path / "lists", {"one": ["b", "Tessa"], "two": ["b", "b", "Nobody", "c"]})
    replacer = Replacer.from_entries([Entry("Nobody", "Tessa", bidirectional=True)])
    async with opened(lists, replacer=replacer) as house, house.caller(modern=modern) as caller:
        for kind in KINDS[2:]:
            paging = Paging(kind)
            assert await paging.rest(caller) == shown(kind, ["Nobody", "b", "c"])
        told = {status.name: status.dropped for status in house.upstreams.status()}
    assert "made://b: one has it" in told["two"]
    assert told["one"] == ()


@ERAS
async def test_tools_of_all_servers_lie_among_each_other_by_name(tmp_path: Path, modern: bool) -> None:
    lists = Lists(tmp_path / "lists", {"two": ["e", "a", "c"], "one": ["f", "B", "d", "é", "b"]})
    async with opened(lists) as house, house.caller(modern=modern) as caller:
        paging = Paging(KINDS[0])
        assert await paging.rest(caller) == ["B", *"abcdef", "é"]
        assert paging.pages == (OWN + 8) // SMALL.page_size
