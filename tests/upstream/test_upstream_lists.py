"""Lists of upstreams: all pages, changes followed, definitions byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest

from portero.domain.events import CatalogueChanged
from portero.settings import UpstreamConfig
from portero.upstream import Catalogue, Spelling, State
from portero.upstream.session.listing import MAX_ITEMS, MAX_PAGES
from tests.upstream.running import Running, fixture, running, until

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


def paged(folder: Path, era: str, pages: dict[str, Any], *more: str) -> UpstreamConfig:
    file = folder / "pages"
    file.write_text(json.dumps(pages))
    return fixture("f", "--era", era, "--pages", str(file), *more)


async def lists_asked(upstreams: Running) -> int:
    received = json.loads(await upstreams.said("f", "received"))
    return sum(message.get("method") == "tools/list" for message in received)


async def test_all_pages_are_read_also_behind_the_empty_cursor() -> None:
    async with running(fixture("f", "--page", "5"), fixture("g")) as upstreams:
        paged, plain = [[tool.name for tool in upstreams.catalogue.tools if tool.server == name] for name in ("f", "g")]
        assert paged == plain
        assert len(paged) == 17


PAGES = {
    "loops": ({"null": ["ab", "x"], '"x"': ["cd", "y"], '"y"': ["ef", "x"]}, "abcdef", 3),
    "says the first again": ({"null": ["ab", ""], '""': ["cd", ""]}, "abcd", 2),
    "ends with the empty one": ({"null": ["ab", "x"], '"x"': ["cd", ""], '""': ["e", None]}, "abcde", 3),
    "has some twice": ({"null": ["abc", "x"], '"x"': ["cad", None]}, "abcd", 2),
    "has empty pages": ({"null": ["", "x"], '"x"': ["a", "y"], '"y"': ["", None]}, "a", 3),
}


@ERAS
@pytest.mark.parametrize("case", PAGES)
async def test_pages_however_their_cursors_go(tmp_path: Path, era: str, case: str) -> None:
    pages, names, asked = PAGES[case]
    async with running(paged(tmp_path, era, pages)) as upstreams:
        assert upstreams.of("f").state is State.CONNECTED
        assert [tool.name for tool in upstreams.catalogue.tools] == list(names)
        assert await lists_asked(upstreams) == asked
        assert upstreams.of("f").dropped == tuple(
            f"{name}: f lists it twice; the first one counts" for name in ("ca" if case == "has some twice" else "")
        )


@ERAS
@pytest.mark.parametrize("known", [True, False], ids=["the cursor holds", "the cursor is refused"])
async def test_a_list_that_changes_between_two_pages_is_read_again(tmp_path: Path, era: str, known: bool) -> None:
    config = paged(tmp_path, era, {"null": ["ab", "old"], '"old"': ["z", None]})
    after = {"null": ["bc", "new"], '"new"': ["de", None], **({'"old"': ["e", None]} if known else {})}
    (tmp_path / "pages.then").write_text(json.dumps(after))
    async with running(config) as upstreams:
        await until(lambda: upstreams.names() == ["f/b", "f/c", "f/d", "f/e"], "the list as it is now")
        assert upstreams.of("f").state is State.CONNECTED
        assert upstreams.of("f").restarts == 0


@ERAS
async def test_a_server_that_never_takes_its_own_cursor_is_not_asked_for_ever(tmp_path: Path, era: str) -> None:
    file = tmp_path / "starts"
    config = paged(tmp_path, era, {"null": ["ab", "x"]}, "--starts", str(file))
    async with running(config) as upstreams:
        assert "no such cursor" in str(upstreams.of("f").last_error)
        assert upstreams.names() == []
        (tmp_path / "pages").write_text(json.dumps({"null": ["ab", "x"], '"x"': ["c", None]}))
        await upstreams.becomes("f", State.CONNECTED)
        assert upstreams.names() == ["f/a", "f/b", "f/c"]


async def test_a_list_without_end_is_cut_and_the_server_serves() -> None:
    async with running(fixture("f", "--endless")) as upstreams:
        assert upstreams.of("f").state is State.CONNECTED
        assert upstreams.of("f").tools == min(MAX_PAGES, MAX_ITEMS)


async def test_a_server_that_offers_nothing_is_asked_for_nothing() -> None:
    async with running(fixture("f", "--no-tools")) as upstreams:
        assert upstreams.of("f").state is State.CONNECTED
        received = json.loads(await upstreams.said("f", "received"))
        assert not [message for message in received if message["method"].endswith("/list")]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_changed_list_is_read_again_and_reported_once(era: str) -> None:
    versions: list[int] = []
    async with running(fixture("f", "--era", era)) as upstreams:
        unsubscribe = upstreams.subscribe(lambda catalogue: versions.append(catalogue.version))
        before = upstreams.catalogue
        if era == "modern":
            await _until_listening(upstreams)
        await upstreams.said("f", "grow", {"name": "grown"})
        await until(lambda: upstreams.catalogue.resolve("f/grown"), "the new tool is there")
        assert before.resolve("f/grown") is None  # what was handed out does not change
        assert versions == [before.version + 1]
        # Said again, but nothing is new: no version, no event.
        await upstreams.said("f", "notify", {"method": "notifications/tools/list_changed"})
        await upstreams.said("f", "grow", {"name": "again"})
        await until(lambda: upstreams.catalogue.resolve("f/again"), "the newest tool is there")
        unsubscribe()
        assert versions == [before.version + 1, before.version + 2]
        changes = upstreams.events_of(CatalogueChanged)
    assert [len(change.tools) for change in changes] == [17, 18, 19]
    assert len({change.digest for change in changes}) == 3


async def test_many_notifications_do_not_become_as_many_lists() -> None:
    async with running(fixture()) as upstreams:
        for _ in range(100):
            await upstreams.said("f", "notify", {"method": "notifications/tools/list_changed"})
        await upstreams.said("f", "grow", {"name": "grown"})
        await until(lambda: upstreams.catalogue.resolve("f/grown"), "the new tool is there")
        received = json.loads(await upstreams.said("f", "received"))
        lists = [message for message in received if message["method"] == "tools/list"]
        assert len(lists) < 50


async def test_definitions_pass_byte_for_byte_but_for_the_name(tmp_path: Path) -> None:
    definition = {
        "description": "odd",
        "x-first": {"b": 1.50, "a": [1e2, None]},
        "name": "odd name.v2",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"n": {"$anchor": "n", "type": "integer"}},
            "type": "object",
            "properties": {"z": {"$ref": "#/$defs/n"}, "a": {"const": 1.0}},
            "additionalProperties": False,
        },
        "outputSchema": {"type": "object"},
        "annotations": {"title": "Odd", "readOnlyHint": True, "unknownHint": 3},
        "icons": [{"src": "data:image/png;base64,AA=="}],
        "_meta": {"vendor/x": 1},
    }
    file = tmp_path / "tools.json"
    file.write_text(json.dumps([definition]))
    async with running(fixture("f", "--definitions", str(file))) as upstreams:
        (tool,) = upstreams.catalogue.tools
    assert tool.definition == json.dumps(definition).encode()
    for spelling, name in ((Spelling.SLASH, "f/odd name.v2"), (Spelling.SAFE, "f__odd_name_v2")):
        listed = tool.listing(spelling)
        assert list(json.loads(listed)) == list(definition)
        assert json.loads(listed) == definition | {"name": name}
        assert json.dumps(definition["inputSchema"]).encode() in listed
    plain = json.loads(tool.listing(Spelling.SLASH, output_schema=False))
    assert list(plain) == [key for key in definition if key != "outputSchema"]
    assert (tool.has_output_schema, tool.title, tool.description) == (True, "Odd", "odd")
    assert (tool.facts.read_only, tool.facts.destructive, tool.facts.title) == (True, None, "Odd")


async def test_what_has_no_good_name_is_dropped_and_said(tmp_path: Path) -> None:
    names = ["good", "good", "", " spaced", "line\nbreak", "turned\u202eback", "good.one", "good_one"]
    file = tmp_path / "tools.json"
    file.write_text(json.dumps([*({"name": name, "inputSchema": {}} for name in names), {"nothing": 1}, 7]))
    async with running(fixture("f", "--definitions", str(file))) as upstreams:
        assert upstreams.names() == ["f/good", "f/good.one"]
        dropped = upstreams.of("f").dropped
        (event,) = upstreams.events_of(CatalogueChanged)
    assert event.dropped == dropped
    assert len(dropped) == 8
    assert dropped[-2:] == (
        "good: f lists it twice; the first one counts",
        "good_one: f/good_one and f/good.one would both be 'f__good_one'; the first keeps the name",
    )
    assert "line\\nbreak: its name holds characters that cannot be seen" in dropped


async def test_resources_templates_and_prompts_are_in_the_catalogue() -> None:
    async with running(fixture("f"), fixture("g")) as upstreams:
        catalogue: Catalogue = upstreams.catalogue
        assert [(one.server, one.uri) for one in catalogue.resources] == [("f", "made://up/one")]
        assert [(one.server, one.uri_template) for one in catalogue.templates] == [("f", "made://up/{id}")]
        assert upstreams.of("f").dropped == ()
        assert upstreams.of("g").dropped == ("made://up/one: f has it", "made://up/{id}: f has it")
        assert b'"x-unknown": [1, null]' in catalogue.resources[0].definition
        assert catalogue.owner("made://up/one") == "f"
        assert catalogue.owner("made://up/other") == "f"  # by its template
        assert catalogue.owner("made://down") is None
        assert [prompt.canonical for prompt in catalogue.prompts] == ["f/greet", "g/greet"]
        prompt = catalogue.resolve_prompt("g__greet")
        assert prompt is not None
        assert json.loads(prompt.listing(Spelling.SLASH))["name"] == "g/greet"


async def _until_listening(upstreams: Running) -> None:
    async def listening() -> bool:
        received = json.loads(await upstreams.said("f", "received"))
        return any(message["method"] == "subscriptions/listen" for message in received)

    for _ in range(1000):
        if await listening():
            return
    raise AssertionError("no subscription")
