"""One upstream as the configuration names it."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class UpstreamConfig:
    """A server of ``mcps.json``, variables already filled in: ``command`` for stdio, ``url`` for Streamable HTTP.

    ``timeout_seconds``: how long a call may be silent; progress keeps it alive. ``pinned_tools`` None: all are listed.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    url: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    prefix: bool = True
    timeout_seconds: float = 60.0
    disabled: bool = False
    pinned_tools: tuple[str, ...] | None = None
