"""Definitions of tools arrive as their servers wrote them: byte for byte, but for the name and what is replaced."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import pytest

from tests.schemas import rawjson
from tests.schemas.served import TASKS, Listed, Tools, behind_tee, list_tools, listed_by, replayed, said, serving
from tests.servers.real import Real, real_servers
from tests.system.place import Place, wait_until

ODD = (Path(__file__).parent / "odd.jsonl").read_text().splitlines()
"""Definitions that no server should write, and that arrive all the same."""
TABLE = Path(__file__).parents[1] / "data" / "upstream-tools.tsv"
SHOWN = {"GitHub": "octopus", "spreadsheet_id": "sheet-of-cells", "Europe/London": "[a place]"}
"""Reals, and what clients see instead: in descriptions, names of properties, ``required`` and examples."""
REPLACEMENTS = [
    {"fake": "octopus", "real": "GitHub", "bidirectional": True},
    {"fake": "sheet-of-cells", "real": "spreadsheet_id", "bidirectional": True},
    {"fake": "made/up", "real": "Europe/London", "bidirectional": False, "responseReplacement": "[a place]"},
]
ASKED = "everything"
"""The server whose every call waits for a person, behind the second gateway."""
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])


@attrs.frozen
class World:
    """``written``: by the real servers. By era: what a gateway showed of them, and what another one showed that has a
    table of replacements, the safe spelling, and the odd definitions too."""

    servers: dict[str, Real]
    written: Tools
    plain: dict[str, Listed]
    replaced: dict[str, Listed]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The real servers behind one gateway; what they said is said again by stand-ins behind the other."""
    folder = tmp_path_factory.mktemp("servers")
    servers = real_servers(folder)
    with serving(behind_tee(servers, folder)) as place:
        latest = f"{ASKED}/trigger-elicitation-request"  # after it has looked at what its client can do
        wait_until(lambda: latest in list_tools(place, modern=False).tools, "the list is complete")
        plain = eras(place)
    written = {name: listed_by(said(folder, name)) for name in servers}
    entries = replayed({**written, "odd": ODD}, folder)
    asked = {f"{ASKED}/*": "require-approval"}
    with serving(entries, policies=asked, replacements=REPLACEMENTS, PORTERO_TOOL_NAMES="safe") as place:
        replaced = eras(place)
    return World(servers, written, plain, replaced)


def eras(place: Place) -> dict[str, Listed]:
    return {"legacy": list_tools(place, modern=False), "modern": list_tools(place, modern=True, **TASKS)}


def name_of(text: str) -> str:
    return str(json.loads(rawjson.member(text, "name")))


def by_name(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=name_of)


def pairs(written: Tools, listed: Listed, spelling: str) -> Iterator[tuple[str, str, str]]:
    """Server, definition as it was written but for its name, and as it was shown; in the order of the names."""
    for server, texts in written.items():
        for text, shown in zip(by_name(texts), listed.of(server, spelling), strict=True):
            yield server, rawjson.renamed(text, json.loads(rawjson.member(shown, "name"))), shown


@ERAS
def test_every_tool_of_every_real_server_arrives_byte_for_byte(world: World, era: str) -> None:
    compared = [(text, shown) for _, text, shown in pairs(world.written, world.plain[era], "slash")]
    assert len(compared) > 300
    assert [shown for text, shown in compared if text != shown] == []


@ERAS
def test_what_is_replaced_is_all_that_changes(world: World, era: str) -> None:
    """Behind this gateway a server's calls are asked for: who may get a pending answer is promised no output."""
    changed = 0
    for server, text, shown in pairs(world.written, world.replaced[era], "safe"):
        want = text
        if era == "legacy" and server == ASKED:
            kept = [member for member in rawjson.members(text) if member[0] != '"outputSchema"']
            want = "{" + ",".join(f"{name}:{value}" for name, value in kept) + "}"
        for real, fake in SHOWN.items():
            want = want.replace(real, fake)
        assert want == shown
        changed += want != text
    assert changed > 50
    for real in SHOWN:
        assert not any(real in shown for shown in world.replaced[era].tools.values())


@ERAS
def test_odd_definitions_keep_every_value_as_it_was_written(world: World, era: str) -> None:
    """Blanks between a definition's own members, and another spelling of their names, are all that is lost."""
    for text, shown in zip(by_name(ODD), world.replaced[era].of("odd", "safe"), strict=True):
        want, got = ({json.loads(name): value for name, value in rawjson.members(one)} for one in (text, shown))
        assert list(want) == list(got)
        assert {**want, "name": ""} == {**got, "name": ""}


def test_names_are_the_servers_own_in_either_spelling(world: World) -> None:
    for server, texts in world.written.items():
        names = [name_of(text) for text in by_name(texts)]
        slash, safe = world.plain["modern"].of(server, "slash"), world.replaced["modern"].of(server, "safe")
        assert [json.loads(text)["name"] for text in slash] == [f"{server}/{name}" for name in names]
        assert [json.loads(text)["name"] for text in safe] == [f"{server}__{name}" for name in names]


def test_the_table_of_tools_says_what_real_servers_say(world: World) -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        table = {(row["server"], row["tool"]): row["readOnly"] for row in csv.DictReader(file, delimiter="\t")}
    found = {}
    for server, texts in world.written.items():
        for tool in map(json.loads, texts):
            hint = tool.get("annotations", {}).get("readOnlyHint")
            found[server, tool["name"]] = "unsaid" if hint is None else str(hint)
    complete = {server for server, real in world.servers.items() if not real.others}
    assert {key for key in table if key[0] in complete} == {key for key in found if key[0] in complete}
    assert {key: hint for key, hint in found.items() if table.get(key) not in (hint, "disputed")} == {}
