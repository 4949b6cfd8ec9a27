"""``portero config check``: the configuration files, before a gateway starts with them."""

import click

from portero.cli.exits import Exit
from portero.cli.output import Output, complain, json_option
from portero.cli.place import load_settings
from portero.cli.text import visible
from portero.errors import ConfigError
from portero.settings.values import Settings, UpstreamConfig


@click.group(short_help="Check the configuration files.")
def config() -> None:
    """The configuration files and the environment."""


@config.command(short_help="Read everything as a start would, and say what is wrong.")
@json_option
def check(out: Output) -> int:
    """Reads .env and the files of config/ as a start would; changes nothing and starts nothing.

    Says every problem at once, and what would be skipped. Exit code 1 when a gateway would not start with it.
    """
    try:
        settings = load_settings()
    except ConfigError as error:
        if out.as_json:
            out.document({"ok": False, "problems": list(error.problems)})
        complain(*error.problems)
        return Exit.FAILED
    if out.as_json:
        out.document(_shape(settings))
        return Exit.OK
    out.fields(
        [
            ("Configuration", str(settings.config_dir)),
            ("Policies", f"{len(settings.policy.entries)}, and {settings.policy.default.value} for everything else"),
            ("Clients", f"{len(settings.clients)} of clients.json, and the one with the bearer token"),
            (
                "Telegram",
                "configured" if settings.telegram else "not configured: approvals go through this command line",
            ),
        ]
    )
    out.line()
    rows = [(upstream.name, _kind(upstream), _extras(upstream)) for upstream in settings.upstreams]
    out.table(("Server", "Kind", "Notes"), rows, empty="No server is configured.")
    for text in (*settings.skipped, *settings.warnings):
        out.line(visible(text))
    out.line("\nA gateway would start with this." if out.terminal else "ok")
    return Exit.OK


def _kind(upstream: UpstreamConfig) -> str:
    """Arguments, addresses and variables may hold secrets, so they are not shown."""
    return f"command: {upstream.command}" if upstream.command else "HTTP"


def _extras(upstream: UpstreamConfig) -> str:
    notes = []
    if upstream.disabled:
        notes.append("disabled")
    if not upstream.prefix:
        notes.append("names without prefix")
    if upstream.pinned_tools is not None:
        notes.append(f"{len(upstream.pinned_tools)} pinned tools")
    return ", ".join(notes)


def _shape(settings: Settings) -> dict[str, object]:
    return {
        "ok": True,
        "configDir": str(settings.config_dir),
        "servers": [
            {"name": upstream.name, "kind": "stdio" if upstream.command else "http", "disabled": upstream.disabled}
            for upstream in settings.upstreams
        ],
        "policies": {pattern: action.value for pattern, action in settings.policy.entries.items()},
        "defaultPolicy": settings.policy.default.value,
        "clients": [client.name for client in settings.clients],
        "telegram": settings.telegram is not None,
        "skipped": list(settings.skipped),
        "warnings": list(settings.warnings),
    }
