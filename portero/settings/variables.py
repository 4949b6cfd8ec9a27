"""The environment variables that need more than a type: checked alone, and with those they belong to."""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from portero.settings.environment import Environment
from portero.settings.secret import Secret
from portero.settings.values import TelegramSettings

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_BEARER: Final = re.compile(r"[\x21-\x7e]+")
_PLACEHOLDERS: Final = frozenset({"replace-me", "changeme", "change-me", "your-token", "your-bearer-token", "secret"})
_BOT_TOKEN: Final = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_WEBHOOK_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ORIGIN: Final = re.compile(r"https?://[^/\s?#@]+")


def bearer_token(env: Environment, warnings: list[str]) -> Secret | None:
    token = env.text("BEARER_TOKEN")
    if token is None:
        return None
    if not _BEARER.fullmatch(token):
        env.problems.append("BEARER_TOKEN must be plain ASCII without blanks: it travels in a header.")
    elif token.lower() in _PLACEHOLDERS:
        env.problems.append(
            "BEARER_TOKEN is still the example's. Set one that nobody can guess, or leave it out: one is made for you."
        )
    elif len(token) < 16:
        warnings.append("BEARER_TOKEN is short enough to be guessed. Use at least 16 characters, or leave it out.")
    return Secret(token)


def certificate(env: Environment, cwd: Path) -> tuple[Path | None, Path | None]:
    given = {name: env.text(name) for name in ("SSL_CERT_PATH", "SSL_KEY_PATH")}
    if not any(given.values()):
        return None, None
    paths: list[Path] = []
    for name, text in given.items():
        other = "SSL_KEY_PATH" if name == "SSL_CERT_PATH" else "SSL_CERT_PATH"
        if text is None:
            env.problems.append(f"{other} is set and {name} is not. HTTPS needs both.")
            continue
        path = (cwd / Path(text).expanduser()).resolve()
        try:
            with path.open("rb"):
                paths.append(path)
        except OSError as error:
            env.problems.append(f"{name} is {text!r}, which cannot be read: {error.strerror or error}.")
    if len(paths) < 2:
        return None, None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths[0], paths[1], password="")
    except (OSError, ValueError) as error:
        env.problems.append(f"SSL_CERT_PATH and SSL_KEY_PATH are no certificate and its unencrypted key: {error}.")
    return paths[0], paths[1]


def telegram(env: Environment, warnings: list[str]) -> TelegramSettings | None:
    token, chat = env.text("TELEGRAM_BOT_TOKEN"), env.whole("TELEGRAM_ADMIN_CHAT_ID")
    users, code = env.wholes("TELEGRAM_ADMIN_USER_IDS"), env.text("PAIRING_CODE")
    api_base, webhook_url = env.url("TELEGRAM_API_BASE", ("https", "http")), _webhook(env)
    show_real = env.flag("PORTERO_TELEGRAM_SHOW_REAL", default=False)
    secret = env.text("TELEGRAM_WEBHOOK_SECRET")
    if secret is not None and not _WEBHOOK_SECRET.fullmatch(secret):
        env.problems.append("TELEGRAM_WEBHOOK_SECRET may have letters, digits, _ and - only, at most 256.")
    if token is None:
        if chat is not None or users or code:
            warnings.append("TELEGRAM_BOT_TOKEN is not set, so there is no bot. Approvals go through the command line.")
        return None
    if not _BOT_TOKEN.fullmatch(token):
        env.problems.append("TELEGRAM_BOT_TOKEN is not a bot's token: digits, a colon, and letters, from @BotFather.")
    if any(user <= 0 for user in users):
        env.problems.append("TELEGRAM_ADMIN_USER_IDS must be ids of people: positive numbers.")
    if chat is not None and chat < 0 and not users:
        env.problems.append(
            "TELEGRAM_ADMIN_CHAT_ID is a group (a negative number), so set TELEGRAM_ADMIN_USER_IDS to the people in it "
            "who may decide."
        )
    if chat is None and not users and code is None:
        warnings.append(
            "The bot knows nobody yet: set TELEGRAM_ADMIN_CHAT_ID, or PAIRING_CODE and send the bot /pair CODE."
        )
    return TelegramSettings(
        token=Secret(token),
        admin_chat_id=chat,
        admin_user_ids=users,
        pairing_code=Secret(code) if code else None,
        api_base=api_base,
        webhook_url=webhook_url,
        webhook_secret=Secret(secret or _derived(token)),
        show_real=show_real,
    )


def _derived(token: str) -> str:
    """A webhook secret that all replicas of one bot agree on."""
    return hashlib.sha256(f"portero webhook {token}".encode()).hexdigest()


def _webhook(env: Environment) -> str | None:
    url = env.url("TELEGRAM_WEBHOOK_URL", ("https", "http"))
    if url and url.startswith("http:") and urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}:
        env.problems.append("TELEGRAM_WEBHOOK_URL must begin with https://: Telegram sends to nothing else.")
    return url


def redis_url(env: Environment) -> Secret | None:
    """What the address may be is the log's to say, when it connects; a text without a scheme is no address at all."""
    url = env.text("REDIS_URL")
    if url is None:
        return None
    try:
        scheme = urlsplit(url).scheme if "://" in url else ""
    except ValueError:
        scheme = ""
    if not scheme:
        env.problems.append("REDIS_URL is not an address such as redis://host:6379/0.")
        return None
    return Secret(url)


def store_name(env: Environment) -> str:
    name = env.text("PORTERO_NAME") or "main"
    if not _NAME.fullmatch(name):
        env.problems.append("PORTERO_NAME may have letters, digits, dots, underscores and hyphens, at most 64.")
    return name


def data_dir(env: Environment, cwd: Path) -> Path:
    folder = (cwd / Path(env.text("PORTERO_DATA_DIR") or "data").expanduser()).resolve()
    if folder.exists() and not folder.is_dir():
        env.problems.append(f"PORTERO_DATA_DIR is {folder}, which is not a folder.")
    return folder


def allowed_origins(env: Environment) -> tuple[str, ...]:
    origins = env.names("PORTERO_ALLOWED_ORIGINS")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin.rstrip("/")):
            env.problems.append(
                f"PORTERO_ALLOWED_ORIGINS has {origin!r}, which is no origin. Write https://host, without a path."
            )
    return origins


def log_level(env: Environment) -> str:
    """``warn`` is what Node programs call it."""
    return "warning" if (env.text("LOG_LEVEL") or "").lower() == "warn" else env.choice("LOG_LEVEL", "info", _LEVELS)
