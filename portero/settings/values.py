"""What the environment and the configuration files say, as values; how they are read is the other modules' business."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import attrs

from portero.domain.ids import ClientId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.settings.archive import ArchiveSettings
from portero.settings.secret import MASK, Secret

DEFAULT_CLIENT: Final = ClientId("default")
"""The client that ``BEARER_TOKEN`` belongs to."""


@attrs.frozen
class UpstreamConfig:
    """One server of ``mcps.json``: a child process (``command``) or a Streamable HTTP endpoint (``url``), never both.

    ``args``, ``env``, ``url`` and ``headers`` may hold secrets, so they are left out of the repr.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """All that the child gets beside PATH, HOME and LANG-like basics."""
    url: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    prefix: bool = True
    """False: the server's own names are listed as they are."""
    timeout_seconds: float = 60.0
    """A call may be silent for so long; progress keeps it alive."""
    disabled: bool = False
    task_after_seconds: float | None = None
    """A call that takes longer becomes a task, for clients that know tasks; None: it does not."""
    single: bool = False
    """Only one replica runs it at a time, and calls of the others go there; False: each runs its own."""
    pinned_tools: tuple[str, ...] | None = None
    """The tools to list, beside what was used lately; None: all of them."""


@attrs.frozen
class TelegramSettings:
    token: Secret
    admin_chat_id: int | None = None
    admin_user_ids: tuple[int, ...] = ()
    pairing_code: Secret | None = None
    api_base: str | None = None
    """Another Bot API server; None: Telegram's own."""
    webhook_url: str | None = None
    webhook_secret: Secret | None = None
    show_real: bool = False
    """Cards show real values instead of fakes."""


@attrs.frozen
class Client:
    """A program that may use the gateway. Its token is known by its SHA-256 only."""

    name: ClientId
    token_sha256: bytes = attrs.field(repr=False)
    disabled: bool = False


@attrs.frozen
class Settings:
    """Everything that is configured. Times in milliseconds where the name says so."""

    port: int
    host: str
    bearer_token: Secret | None
    """None: not configured; ``make_token`` then makes or finds the one in the data folder."""
    clients: tuple[Client, ...]
    """Of ``clients.json``; ``BEARER_TOKEN`` is not among them."""
    ssl_cert: Path | None
    ssl_key: Path | None
    telegram: TelegramSettings | None
    approval_timeout_ms: int
    redis_url: Secret | None
    """None: the embedded server under the data folder. A secret because it may hold a password."""
    store_name: str
    """The name in every key of the store, so that several gateways can share one."""
    fsync: Literal["always", "everysec"]
    """``always`` or ``everysec``: how the embedded server makes writes durable."""
    log_level: str
    config_dir: Path
    data_dir: Path
    tool_names: str
    """``slash`` or ``safe``: how tools are spelt in lists."""
    allowed_hosts: tuple[str, ...]
    """Host names, beside the ones that are always right, that requests may be addressed to."""
    allowed_origins: tuple[str, ...]
    """Web origins whose pages may call the gateway; requests without an Origin are not from a page."""
    max_body_bytes: int
    result_retention_ms: int
    """How long a result can be fetched; the audit record stays."""
    lease_ms: int
    """How long a replica that says nothing keeps the calls that it runs; then their outcome counts as lost."""
    retry_read_only: bool
    """Whether a call whose outcome is lost runs again by itself where its tool is declared read-only or idempotent."""
    archive: ArchiveSettings | None
    """Where the log is archived; None: it is not, and stays on the stream."""
    upstreams: tuple[UpstreamConfig, ...]
    policy: ConfigPolicy
    replacer: Replacer
    skipped: tuple[str, ...]
    """What was left out of the configuration, a sentence each that names the unset variable."""
    upstreams_digest: str
    """Over ``mcps.json`` as it is written, without the values of its variables."""
    warnings: tuple[str, ...] = ()
    """What works but is probably not meant, a sentence each."""
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Every secret text of the environment and the files, longest first, so that logs can be scrubbed of them."""

    def with_secrets(self, more: Iterable[str]) -> "Settings":
        """With ``more`` and the settings' own secrets among ``secrets``."""
        telegram = self.telegram
        own = [self.bearer_token, self.redis_url]
        if telegram:
            own += [telegram.token, telegram.pairing_code, telegram.webhook_secret]
        texts = {secret.reveal() for secret in own if secret} | {*self.secrets, *more}
        if self.archive:
            texts |= set(self.archive.secrets)
        if self.redis_url:
            password = urlsplit(self.redis_url.reveal()).password or ""
            texts |= {password, unquote(password)}
        return attrs.evolve(self, secrets=tuple(sorted(filter(None, texts), key=lambda text: (-len(text), text))))

    def with_bearer_token(self, token: Secret) -> "Settings":
        """With the token that was made for it."""
        return attrs.evolve(self, bearer_token=token).with_secrets(())

    def scrub(self, text: str) -> str:
        """A text for logs and error messages: without secrets, and without real values."""
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return self.replacer.mask_text(text)
