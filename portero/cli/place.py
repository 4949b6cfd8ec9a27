"""Where Portero lives: what a command needs of the environment to find the log, without the rest having to be right."""

import os
from pathlib import Path
from typing import Final, Literal

import attrs

from portero.domain.replacement import Replacer
from portero.errors import ConfigError
from portero.settings.archive import ArchiveSettings, archive
from portero.settings.environment import Environment, with_dotenv
from portero.settings.secret import Secret
from portero.settings.values import Settings
from portero.settings.variables import data_dir, redis_url, store_name


@attrs.frozen
class Place:
    """The store that a log is in; ``redis_url`` None: the embedded one under ``data_dir``."""

    redis_url: Secret | None
    data_dir: Path
    store_name: str
    fsync: Literal["always", "everysec"]
    archive: ArchiveSettings | None = None

    def __str__(self) -> str:
        """Without a password that the address may hold."""
        if self.redis_url is None:
            return f"embedded, under {self.data_dir}"
        scheme, _, rest = self.redis_url.reveal().partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


_FSYNC: Final = "PORTERO_FSYNC"


def find_place() -> Place:
    """From the environment and the ``.env`` of the working directory. Raises ConfigError about these settings alone."""
    problems: list[str] = []
    cwd = Path.cwd()
    env = Environment(with_dotenv(os.environ, cwd, problems), problems)
    everysec = env.choice(_FSYNC, "always", ("always", "everysec")) == "everysec"
    url, folder = redis_url(env), data_dir(env, cwd)
    kept = archive(env, cwd, folder, embedded=url is None)
    place = Place(url, folder, store_name(env), "everysec" if everysec else "always", kept)
    if problems:
        raise ConfigError(*problems)
    return place


def load_settings() -> Settings:
    """All settings, from the same place. Raises ConfigError with every problem."""
    from portero.settings import load  # the replacement engine with it, which most commands do without

    return load(os.environ, Path.cwd())


def replacer() -> Replacer:
    """The table of replacements of this place; an empty one where the configuration cannot be read from here."""
    try:
        return load_settings().replacer
    except ConfigError:
        return Replacer.from_entries([])
