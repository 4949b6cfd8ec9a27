"""Nothing that a client, a server or another person wrote can forge what the command line prints."""

import json
from collections.abc import Iterator

import pytest

from portero.cli.text import hidden
from portero.domain.events import CatalogueTool
from portero.domain.ids import CallId
from portero.domain.values import ToolFacts
from tests.cli.home import Home, Scribe
from tests.stores import Place, Server

EVIL = "\x1b]0;owned\x07\x1b[2K\x1b[1A\rfake\u202etxet\u200b\u2066\U000e0041\x9b31m\x7f\n0 approved by you"
"""Retitles the window, wipes and overwrites lines, reverses, hides, and forges a line of its own."""

COMMANDS = ["pending", "tasks", "show", "logs", "status", "explain", "rules", "doctor"]


async def seed(scribe: Scribe) -> CallId:
    arguments = json.dumps({f"key {EVIL}": [f"value {EVIL}"], "[bold red]markup[/]": ":smile:"}, ensure_ascii=False)
    call = await scribe.ask(f"office/{EVIL}", arguments, client=EVIL, title=EVIL)
    await scribe.offer("office", CatalogueTool(EVIL, ToolFacts(title=EVIL, destructive=True)))
    await scribe.lose(f"office/{EVIL}")
    return call


@pytest.fixture(scope="module")
def hostile(valkey_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, CallId]]:
    """A log full of it; the tests that share it leave it as it is."""
    place = Place(valkey_server)
    home = Home(tmp_path_factory.mktemp("hostile"), place)
    call = home.on_log(seed)
    assert home.run("lock", "--reason", EVIL).code == 0
    yield home, call
    place.clear()


def shown(text: str) -> bool:
    return not any(hidden(character) for character in text if character not in "\n\t")


def arguments_of(name: str, call: CallId) -> list[str]:
    return [name, *{"show": [call], "explain": [f"office/{EVIL}"]}.get(name, [])]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_output_shows_what_is_there(hostile: tuple[Home, CallId], name: str) -> None:
    home, call = hostile
    arguments = arguments_of(name, call)
    piped, machine = home.run(*arguments), home.run(*arguments, "--json")
    for text in (piped.out, piped.err, machine.err, home.on_terminal(*arguments)):
        assert shown(text), ascii(text)
        assert not any(line.startswith(("0 approved", "fake")) for line in text.splitlines())
    assert machine.out.isascii()
    assert machine.out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", EVIL),
        ("revoke", EVIL),
        ("unrule", EVIL),
        ("logs", "--client", EVIL),
        ("explain", "office/x", "--client", EVIL),
    ],
)
def test_what_was_typed_is_shown_as_it_is_too(hostile: tuple[Home, CallId], arguments: tuple[str, ...]) -> None:
    ran = hostile[0].run(*arguments)
    assert shown(ran.out + ran.err)


def test_a_reason_is_shown_as_it_is(home: Home) -> None:
    call = home.ask()
    assert home.run("reject", call, "--reason", EVIL).code == 0
    assert shown(home.run("show", call).out + home.run("logs").out)


def test_markup_is_text_like_any_other(home: Home) -> None:
    home.ask(arguments='{"a":"[bold red]x[/] :smile:"}', client="[link=file:///]me[/link]")
    seen = home.on_terminal("pending")
    assert "[bold red]x[/] :smile:" in seen
    assert "[link=file:///]me[/link]" in seen


def test_show_has_every_argument_in_full(home: Home) -> None:
    call = home.ask(arguments=json.dumps({"to": "a", "body": "x" * 5000, "deep": {"list": [{"n": 1.50}, None, True]}}))
    seen = home.run("show", call).out
    for expected in ('"to": "a"', "x" * 5000, '"n": 1.5', "null", "true"):
        assert expected in seen


def test_a_repeated_key_is_shown_twice(home: Home) -> None:
    call = home.ask(arguments='{"to":"friend","to":"stranger"}')
    for seen in (home.run("show", call).out, home.run("pending").out):
        assert '"to": "friend"' in seen
        assert '"to": "stranger"' in seen
    assert home.run("show", call, "--json").json["argumentsText"] == '{"to":"friend","to":"stranger"}'
