"""``mcps.json``: the servers behind the gateway."""

import re
from collections.abc import Mapping
from typing import Any, Final

from portero.settings.environment import checked_url
from portero.settings.files import SERVERS
from portero.settings.findings import Findings
from portero.settings.shape import Shape
from portero.settings.substitute import Substitution, filled
from portero.settings.values import UpstreamConfig

KEYS: Final = (
    *("name", "command", "args", "env", "url", "headers", "prefix", "timeoutSeconds", "disabled", "pinnedTools"),
    *("taskAfterSeconds", "instances"),
)
INSTANCES: Final = ("each", "one")
RESERVED: Final = "portero"
LONGEST_NAME: Final = 64
LONGEST_TIMEOUT: Final = 86_400

_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_NAME: Final = re.compile(r"TOKEN|SECRET|KEY|PASS|CREDENTIAL|AUTH|COOKIE|PRIVATE", re.IGNORECASE)
_SHORTEST_SECRET: Final = 6


def read_upstreams(document: Any, values: Mapping[str, str], findings: Findings) -> tuple[UpstreamConfig, ...]:
    """The servers that can be started; the others are among what was skipped."""
    shape = Shape(SERVERS, findings.problems)
    if isinstance(document, dict) and "mcpServers" in document:
        shape.wrong("", 'has the form of another program. Write {"mcps": [{"name": …, "command": …}]}, a list.')
        return ()
    top = shape.table(document, "", ("mcps",))
    entries = shape.get(top, "mcps", list, "")
    if entries is None:
        if "mcps" not in top:
            shape.wrong("", 'must be {"mcps": [ … ]}.')
        return ()
    read, names = [], set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"server {name!r}" if isinstance(name, str) and name else f"server {number}"
        table = shape.table(entry, where, KEYS)
        if not table or not _good_name(table, where, shape):
            continue
        if name in names:
            shape.wrong(where, "stands here twice. Names must be different.")
            continue
        names.add(name)
        config = _read(table, where, values, findings)
        if config is not None:
            read.append(config)
    return tuple(read)


def _good_name(table: dict[str, Any], where: str, shape: Shape) -> bool:
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        shape.wrong(where, "needs a name.")
    elif name == RESERVED:
        shape.wrong(where, "this name is Portero's own. Choose another.")
    elif set("/*") & set(name) or "${" in name or name != name.strip() or not name.isprintable():
        shape.wrong(where, "the name must be printable, without / or *, blanks around it, or variables.")
    elif len(name) > LONGEST_NAME:
        shape.wrong(where, f"the name is longer than {LONGEST_NAME} characters.")
    else:
        return True
    return False


def _read(entry: dict[str, Any], where: str, values: Mapping[str, str], findings: Findings) -> UpstreamConfig | None:
    shape = Shape(SERVERS, findings.problems)
    name = entry["name"]
    disabled = bool(shape.get(entry, "disabled", bool, where))
    if disabled:  # it is shown as such, and needs none of its variables
        return UpstreamConfig(name, disabled=True)
    result = filled(
        entry,
        values,
        f"{SERVERS}: {where}",
        shape.problems,
        lambda unset: findings.skipped.append(f"Server {name!r} is skipped: {unset}."),
    )
    if result is None:
        return None
    table, substitution = result
    before = len(shape.problems)
    command, url = shape.get(table, "command", str, where), shape.get(table, "url", str, where)
    env, headers = shape.text_table(table, "env", where), shape.text_table(table, "headers", where)
    args = shape.texts(table, "args", where) or ()
    if command is not None or url is None:
        _check_command(table, where, shape)
    else:
        _check_url(table, url, headers, where, shape)
    pinned = shape.texts(table, "pinnedTools", where)
    prefix = shape.get(table, "prefix", bool, where)
    timeout = _seconds(table, "timeoutSeconds", where, shape)
    task_after = _seconds(table, "taskAfterSeconds", where, shape)
    single = _single(table, where, shape)
    if len(shape.problems) > before:
        return None
    findings.secrets |= _secrets(substitution, env, headers)
    return UpstreamConfig(
        name=name,
        command=command,
        args=args,
        env=env,
        url=url,
        headers=headers,
        prefix=prefix is not False,
        timeout_seconds=60.0 if timeout is None else timeout,
        task_after_seconds=task_after,
        single=single,
        pinned_tools=tuple(dict.fromkeys(pinned)) if pinned is not None else None,
    )


def _check_command(table: dict[str, Any], where: str, shape: Shape) -> None:
    command = table.get("command")
    if command is None or (isinstance(command, str) and not command.strip()):
        shape.wrong(where, 'needs a "command" (a program to start) or a "url" (a server to reach).')
    if "url" in table:
        shape.wrong(where, 'has "command" and "url". A server is either started or reached.')
    if "headers" in table:
        shape.wrong(where, '"headers" belong to a "url". A program gets its settings by "env" and "args".')


def _check_url(table: dict[str, Any], url: str, headers: dict[str, str], where: str, shape: Shape) -> None:
    try:
        checked_url(url, ("http", "https"))
    except ValueError:
        shape.wrong(where, "url must be an address that begins with http:// or https://.")
    for key in ("args", "env"):
        if table.get(key):
            shape.wrong(where, f'{key!r} belongs to a "command". A server reached by url gets "headers".')
    for header, value in headers.items():
        if not _HEADER.fullmatch(header):
            shape.wrong(where, f"{header!r} cannot be the name of a header.")
        elif not value.isprintable():
            shape.wrong(where, f"the value of header {header!r} has characters that a header cannot hold.")


def _seconds(table: dict[str, Any], key: str, where: str, shape: Shape) -> float | None:
    seconds = shape.get(table, key, float, where)
    if seconds is not None and not 0 < seconds <= LONGEST_TIMEOUT:
        shape.wrong(where, f"{key} must be above 0 and at most {LONGEST_TIMEOUT}.")
    return None if seconds is None else float(seconds)


def _single(table: dict[str, Any], where: str, shape: Shape) -> bool:
    instances = shape.get(table, "instances", str, where)
    if instances not in (None, *INSTANCES):
        shape.wrong(
            where, 'instances must be "each" (every replica runs its own) or "one" (one replica runs it for all).'
        )
    return bool(instances == "one")


def _secrets(substitution: Substitution, env: Mapping[str, str], headers: Mapping[str, str]) -> set[str]:
    """What must never be in a log: variables, env and headers with a name that tells, unless they are too short."""
    named = {**substitution.used, **env, **headers}
    found = {value for name, value in named.items() if _SECRET_NAME.search(name)}
    found |= {value.rpartition(" ")[2] for value in headers.values()}  # "Bearer abc": the token may also stand alone
    return {value for value in found if len(value) >= _SHORTEST_SECRET}
