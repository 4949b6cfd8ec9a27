"""``portero serve``: the gateway, and what a person is told when it is up."""

import shlex
from typing import TYPE_CHECKING

import click

from portero.cli.invocation import invocation, invocation_for_models
from portero.cli.place import load_settings
from portero.cli.text import visible
from portero.settings.secret import Secret
from portero.settings.values import Settings

if TYPE_CHECKING:  # the gateway is imported when the settings have proved right: a mistake is told at once
    from portero.app import Started


@click.command(short_help="Run the gateway.")
def serve() -> None:
    """Runs the gateway in this terminal until Ctrl-C, with the .env and config/ of this directory.

    Prints where it listens, the line that connects Claude Code, which servers are skipped and why, and how approvals
    reach you.
    """
    settings = load_settings()
    import uvloop

    from portero.app import serve as run
    from portero.settings import make_token
    from portero.telemetry.logs import configure_logging

    token, made = (settings.bearer_token, False) if settings.bearer_token else make_token(settings.data_dir)
    whole = settings.with_bearer_token(token)  # a token made just now is scrubbed from logs like any other
    configure_logging(whole.log_level, whole.scrub)
    uvloop.run(
        run(
            whole,
            token,
            announce=lambda started: announce(settings, started, token, made=made),
            command=invocation_for_models(),
        )
    )


def announce(settings: Settings, started: "Started", token: Secret, *, made: bool) -> None:
    """What a person needs to know, once; a token is shown only when it was made just now."""
    url = f"{reachable(started.url)}/mcp"
    click.echo(f"Portero listens on {url}")
    if made:
        shown = token.reveal()
        click.echo(f"Its token, shown this once and kept in {settings.data_dir / 'bearer-token'}: {shown}")
    elif settings.bearer_token is not None:
        shown = "$BEARER_TOKEN"
        click.echo("Its token is the BEARER_TOKEN of your environment or .env; the line below needs its value.")
    else:
        file = settings.data_dir / "bearer-token"
        shown = f"$(cat {shlex.quote(str(file))})"
        click.echo(f"Its token is in {file}")
    click.echo(f'\n  claude mcp add --transport http portero {url} --header "Authorization: Bearer {shown}"\n')
    names = [upstream.name for upstream in settings.upstreams if not upstream.disabled]
    none = f"none; add some to {settings.config_dir / 'mcps.json'}"
    click.echo(f"Servers behind it: {visible(', '.join(names)) if names else none}")
    for text in (*settings.skipped, *settings.warnings):
        click.echo(f"  {visible(text)}")
    portero = invocation()
    telegram = "Approvals come to you on Telegram, and can be given" if settings.telegram else "Approvals are given"
    click.echo(f"{telegram} in a second terminal, from this directory:\n")
    click.echo(f"  {portero} pending\n  {portero} approve TASK\n")
    click.echo("Stop it with Ctrl-C.")


def reachable(url: str) -> str:
    """An address that a client on this machine can use, where the gateway listens on all of them."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
