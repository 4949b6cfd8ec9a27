"""What the endpoint needs to know of the configuration, as plain values."""

import attrs

from portero import __version__
from portero.settings import Settings

MEBIBYTE = 1024 * 1024


@attrs.frozen
class Options:
    """Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8443
    version: str = "0"
    safe_names: bool = False
    """Offer ``server__tool`` instead of ``server/tool`` in lists."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which clients may reach this server, beyond the loopback ones; empty and not on loopback: any."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages' origins that may talk to this server, beyond its own."""
    body_limit: int = 4 * MEBIBYTE
    page_size: int = 500
    """Tools per page of ``tools/list``."""
    keepalive_seconds: float = 15.0
    """A stream says something at least this often; a silent call becomes a stream after as long."""
    alive_seconds: float = 45.0
    """Progress of our own for calls that take long: some clients give up a call that shows none for minutes."""
    disconnect_seconds: float = 0.1
    """How soon a call that takes a while is watched for its client going away."""
    approve_hint: str = "by running `portero approve {task}` in a terminal"
    """How a person approves, as the model is told it; ``{task}`` stands for the task's id."""
    max_in_flight: int = 5_000
    """Requests under way at once."""
    max_streams: int = 256
    """Notification streams held open at once."""
    max_streams_per_client: int = 64


def options_of(settings: Settings, command: str) -> Options:
    """``command``: how this very program is called by somebody who types."""
    telegram = "on Telegram, or " if settings.telegram else ""
    typed = command.replace("{", "{{").replace("}", "}}")
    hint = f"{telegram}by running `{typed} approve {{task}}` in a terminal"
    return Options(
        host=settings.host,
        port=settings.port,
        version=__version__,
        safe_names=settings.tool_names == "safe",
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
        body_limit=settings.max_body_bytes,
        approve_hint=hint,
    )
