"""The token of the default client, when none is configured: made once, and kept where only its owner can read it."""

import os
import secrets
from pathlib import Path
from typing import Final

from portero.errors import ConfigError
from portero.settings.secret import Secret

FILE: Final = "bearer-token"
OWNER_ONLY: Final = 0o600
_BYTES: Final = 32


def kept_token(data_dir: Path) -> Secret | None:
    """The token that was made at an earlier start, if any. Raises ConfigError when its file cannot be used."""
    path = data_dir / FILE
    try:
        token = path.read_text(encoding="ascii").strip()
        if path.stat().st_mode & 0o077:
            path.chmod(OWNER_ONLY)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The bearer token in {path} cannot be read: {error}. Or set BEARER_TOKEN.") from error
    if not token:
        raise ConfigError(f"{path} is empty. Delete it, and a new token is made; or set BEARER_TOKEN.")
    return Secret(token)


def make_token(data_dir: Path) -> tuple[Secret, bool]:
    """The kept token, or a new one, and whether it is new. Of several processes that start at once one makes it."""
    kept = kept_token(data_dir)
    if kept is not None:
        return kept, False
    token = secrets.token_urlsafe(_BYTES)
    path, draft = data_dir / FILE, data_dir / f".{FILE}-{secrets.token_hex(4)}"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)  # fails where the file is already there, and never shows half of it
        except FileExistsError:
            return make_token(data_dir)
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigError(f"A bearer token cannot be kept in {data_dir}: {error}. Or set BEARER_TOKEN.") from error
    return Secret(token), True
