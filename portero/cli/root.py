"""The root of the command line: commands are imported when called, errors become texts and exit codes."""

import asyncio
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import attrs
import click

from portero import __version__
from portero.cli.exits import Exit, exit_code
from portero.cli.output import complain
from portero.cli.text import json_line
from portero.errors import ConfigError, PorteroError, StoreError


@attrs.frozen
class Entry:
    """A command as the help shows it; its module is imported only when it runs."""

    section: str
    name: str
    module: str
    help: str


_RUN, _DECIDE, _LOOK, _CHECK = "Run", "Decide", "Look", "Check"

ENTRIES: Final = tuple(
    Entry(*entry)
    for entry in (
        (_RUN, "serve", "serve", "Run the gateway."),
        (_RUN, "demo", "demo", "See it all in a few seconds: a throw-away gateway, explained."),
        (_DECIDE, "pending", "pending", "The calls that wait for a decision."),
        (_DECIDE, "approve", "decide", "Let a waiting call run."),
        (_DECIDE, "reject", "decide", "Refuse a waiting call."),
        (_DECIDE, "cancel", "decide", "Stop a call that has not ended."),
        (_DECIDE, "resolve", "decide", "Say what became of a call whose outcome is unknown."),
        (_DECIDE, "grant", "grants", "Let matching tools run without asking, for a while."),
        (_DECIDE, "revoke", "grants", "End a grant, or all of them."),
        (_DECIDE, "allow", "rules", "Always let matching tools run."),
        (_DECIDE, "deny", "rules", "Never let matching tools run."),
        (_DECIDE, "unrule", "rules", "Remove a rule that was set with allow or deny."),
        (_DECIDE, "lock", "lock", "Deny everything at once and freeze approvals."),
        (_DECIDE, "unlock", "lock", "End the lock."),
        (_LOOK, "status", "status", "Gateways, servers, store, and what waits."),
        (_LOOK, "tasks", "tasks", "The calls that were asked for, newest first."),
        (_LOOK, "show", "show", "One call: every argument, why it was asked, what happened."),
        (_LOOK, "rules", "rules", "The rules and grants in force."),
        (_LOOK, "logs", "logs", "What happened, from the audit log."),
        (_LOOK, "explain", "explain", "What decides about a tool, and what it overrides."),
        (_CHECK, "config", "config", "Check the configuration files."),
        (_CHECK, "doctor", "doctor", "Check everything that Portero needs, and say what to do."),
        (_CHECK, "audit", "audit", "Check, export or restore the archived log."),
        (_CHECK, "replay", "replay", "Rebuild the state from archive and log, and compare."),
        (_CHECK, "completion", "completion", "Shell completion for bash, zsh or fish."),
    )
)
_BY_NAME: Final = {entry.name: entry for entry in ENTRIES}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that help and quick commands stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _BY_NAME.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"portero.cli.commands.{entry.module}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a wrong table above is a mistake of ours, not of the user's
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in ENTRIES):
            with formatter.section(section):
                formatter.write_dl([(f"{entry.name:<10}", entry.help) for entry in ENTRIES if entry.section == section])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A task is named by its id or by any beginning of it that is unique. Exit codes of decisions: "
    "0 this command decided, 3 already decided, 4 no such task, 1 any other failure, 2 wrong usage.",
)
@click.version_option(__version__, prog_name="portero")
def cli() -> None:
    """A gateway between AI clients and MCP servers that asks before it acts."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; every error becomes a text that says what to do."""
    _encode_what_the_terminal_can()
    try:
        result = cli.main(list(arguments), prog_name="portero", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort, asyncio.CancelledError):
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: also a mistake of ours is told, and scripts get their code
        return _told(error, as_json="--json" in arguments)
    return result if isinstance(result, int) else Exit.OK


def _told(error: Exception, *, as_json: bool) -> int:
    """Says what went wrong, on standard error and with ``--json`` as an object too; returns the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.EPIPE:  # whoever read our output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - stays open for the interpreter's last flush
        return Exit.FAILED
    code, lines = exit_code(error), _lines(error)
    if as_json:
        click.echo(json_line({"error": "\n".join(lines), "exit": int(code)}))
    complain(*lines)
    return code


def _lines(error: Exception) -> Sequence[str]:
    if isinstance(error, ConfigError):
        return error.problems
    if isinstance(error, StoreError):  # what the store said last is part of some, line by line
        return str(error).splitlines()
    if isinstance(error, PorteroError | OSError):
        return (str(error) or type(error).__name__,)
    if os.environ.get("PORTERO_DEBUG"):
        return "".join(traceback.format_exception(error)).splitlines()
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return (
        f"Portero failed in a way it did not foresee: {type(error).__name__}: {error}{place}",
        "Nothing was decided by this command unless it said so. PORTERO_DEBUG=1 shows all of it.",
    )


def _encode_what_the_terminal_can() -> None:
    """A terminal that cannot show a character gets its number, not a crash of ours."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
