"""Environment and configuration files -> values. Nothing is read at import; ``load`` reports every problem at once."""

from portero.settings.archive import ArchiveSettings
from portero.settings.bearer import kept_token, make_token
from portero.settings.files import default_config
from portero.settings.load import load
from portero.settings.secret import Secret
from portero.settings.values import DEFAULT_CLIENT, Client, Settings, TelegramSettings, UpstreamConfig

__all__ = [
    "DEFAULT_CLIENT",
    "ArchiveSettings",
    "Client",
    "Secret",
    "Settings",
    "TelegramSettings",
    "UpstreamConfig",
    "default_config",
    "kept_token",
    "load",
    "make_token",
]
