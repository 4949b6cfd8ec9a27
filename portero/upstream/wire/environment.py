"""What a child process sees of our environment: the basics that programs need to run, and its own entry's variables."""

from collections.abc import Mapping
from typing import Final

BASICS: Final = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
)
"""Nothing here may ever hold a secret; proxies (with passwords in their addresses) belong in the entry's ``env``."""


def child_environment(ours: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ``BASICS`` out of ``ours``, then ``own``, which wins."""
    # A value that starts with "()" is a function exported by an old shell, which some shells would run.
    basics = {name: ours[name] for name in BASICS if name in ours and not ours[name].startswith("()")}
    return basics | dict(own)
