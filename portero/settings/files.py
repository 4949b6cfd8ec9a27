"""The configuration files: where they are, and their JSON with the line of what is wrong with it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import portero

SERVERS, POLICIES, REPLACEMENTS, CLIENTS = FILES = "mcps.json", "policies.json", "replacements.json", "clients.json"

_PACKAGE: Final = Path(portero.__file__).parent


def default_config() -> Path:
    """The configuration that comes with Portero: inside of the installed package, or beside it in a checkout."""
    inside = _PACKAGE / "_defaults"
    return inside if inside.is_dir() else _PACKAGE.parent / "config"


def config_folder(environ: Mapping[str, str], cwd: Path, problems: list[str]) -> Path:
    """``PORTERO_CONFIG_DIR``; else ``config`` in the working directory, if one of our files is there; else ours."""
    named = environ.get("PORTERO_CONFIG_DIR", "").strip()
    if not named:
        here = cwd / "config"
        return here if _has_files(here) else default_config()
    folder = (cwd / Path(named).expanduser()).resolve()
    if not folder.is_dir():
        problems.append(f"PORTERO_CONFIG_DIR is {named!r}, but there is no such folder.")
    elif not _has_files(folder):
        problems.append(f"PORTERO_CONFIG_DIR is {named!r}, but that folder has none of {', '.join(FILES)}.")
    return folder


def _has_files(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def read_json(folder: Path, name: str, problems: list[str]) -> Any:
    """The file's value; None when it is absent or cannot be used (then ``problems`` says why)."""
    path = folder / name
    try:
        return json.loads(
            path.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        problems.append(f"{name}, line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}.")
    except UnicodeDecodeError as error:
        problems.append(f"{name} is not UTF-8: byte {error.start} begins no character. Save it as UTF-8.")
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{name} cannot be read: {error}.")
    return None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {doubled!r} stands twice in one object, so one of the two would be ignored")
    return table


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON value")
