"""Servers whose lists a test changes at will, and a client that goes through one of the lists page by page."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from portero.gateway.options import Options
from portero.settings import UpstreamConfig
from tests.gateway.house import Caller, House, open_house, wait_until

SERVER = Path(__file__).parent / "lists_server.py"
SMALL = Options(port=0, page_size=2)


@attrs.frozen
class Kind:
    """One of the lists, and what a name in a server's file is in it."""

    method: str
    member: str
    key: str
    shown: Callable[[str], str] = str
    policy: Callable[[str], str] = str


def bare(name: str) -> str:
    return name


KINDS = [
    Kind("tools/list", "tools", "name", bare, lambda name: name),
    Kind("prompts/list", "prompts", "name", bare, lambda name: f"prompt:{name}"),
    Kind("resources/list", "resources", "uri", lambda name: f"made://{name}", lambda name: f"resource:made://{name}"),
    Kind(
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
        lambda name: f"made://{name}/{{id}}",
        lambda name: f"resource:made://{name}/{{id}}",
    ),
]


@attrs.define
class Lists:
    """What the servers list, by the name of each: names without a prefix, so that those of all lie among each other."""

    folder: Path
    of: dict[str, list[str]]
    late: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for server, names in self.of.items():
            self.put(server, names)

    def put(self, server: str, names: Iterable[str]) -> None:
        self.of[server] = list(names)
        draft = self.folder / "draft"
        draft.write_text(json.dumps(self.of[server]))
        draft.rename(self.folder / server)

    def add(self, server: str, *names: str) -> None:
        self.put(server, [*names, *self.of[server]])  # as an upstream may: where there is room

    def remove(self, *names: str) -> None:
        for server, had in list(self.of.items()):
            if set(had) & set(names):
                self.put(server, [name for name in had if name not in names])

    def configs(self, _: Path) -> list[UpstreamConfig]:
        return [
            UpstreamConfig(
                name=server,
                command=sys.executable,
                args=(str(SERVER), str(self.folder / server), *([str(self.starts(server))] * (server in self.late))),
                prefix=False,
            )
            for server in self.of
        ]

    def starts(self, server: str) -> Path:
        return self.folder / f"start-{server}"

    async def known(self, *houses: House) -> None:
        """Waits until the catalogue is what the files say, in all kinds of lists."""
        names = {name for had in self.of.values() for name in had}

        def same(house: House) -> bool:
            catalogue = house.upstreams.catalogue
            lists: list[set[str]] = [
                {tool.name for tool in catalogue.tools},
                {prompt.name for prompt in catalogue.prompts},
                {resource.uri.removeprefix("made://") for resource in catalogue.resources},
                {template.uri_template[7:].removesuffix("/{id}") for template in catalogue.templates},
            ]
            return all(one == names for one in lists)

        await wait_until(lambda: all(map(same, houses)), "the lists are known")


@asynccontextmanager
async def opened(lists: Lists, beside: House | None = None, **more: Any) -> AsyncIterator[House]:
    options = {"options": SMALL, "policies": {}, "late": lists.late, **more}
    async with open_house(upstreams=lists.configs, beside=beside, **options) as house:
        yield house


@attrs.define
class Paging:
    """A client that goes through one list, and what it has been shown so far."""

    kind: Kind
    shown: list[str] = attrs.field(factory=list)
    cursor: str | None = None
    pages: int = 0

    @property
    def ended(self) -> bool:
        return self.pages > 0 and self.cursor is None

    async def turn(self, caller: Caller) -> list[str]:
        given = {} if self.cursor is None else {"cursor": self.cursor}
        page = await caller.rpc(self.kind.method, given)
        found = [item[self.kind.key] for item in page[self.kind.member]]
        self.shown += [one for one in found if not one.startswith("portero/")]
        self.pages += 1
        self.cursor = page.get("nextCursor")
        return found

    async def until(self, caller: Caller, name: str) -> None:
        """Up to the page that ends with this."""
        while not self.shown or self.shown[-1] != self.kind.shown(name):
            assert not self.ended, self.shown
            await self.turn(caller)

    async def rest(self, caller: Caller) -> list[str]:
        before = len(self.shown)
        while not self.ended:
            await self.turn(caller)
        return self.shown[before:]


def shown(kind: Kind, names: Iterable[str]) -> list[str]:
    return [kind.shown(name) for name in names]
