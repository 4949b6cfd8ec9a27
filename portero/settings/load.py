"""The way from environment and files to ``Settings``: everything is read, then every problem is reported at once."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from portero.domain.digest import digest_of
from portero.errors import ConfigError
from portero.settings import variables
from portero.settings.archive import archive
from portero.settings.clients import read_clients
from portero.settings.environment import Environment, with_dotenv
from portero.settings.files import CLIENTS, POLICIES, REPLACEMENTS, SERVERS, config_folder, read_json
from portero.settings.findings import Findings
from portero.settings.policies import read_policies, refuse_reals, warn_of_strangers
from portero.settings.replacements import read_replacements
from portero.settings.upstreams import read_upstreams
from portero.settings.values import Settings

DAY_SECONDS: Final = 86_400
MEBIBYTE: Final = 1 << 20

EMPTY: Final[Mapping[str, Any]] = {
    SERVERS: {"mcps": []},
    POLICIES: {"policies": {}},
    REPLACEMENTS: {"replacements": []},
    CLIENTS: {"clients": []},
}


def load(environ: Mapping[str, str], cwd: Path) -> Settings:
    """Reads ``.env`` in ``cwd`` and the configuration folder, and writes nothing.

    Raises ConfigError with every problem found, a sentence each that says what to do. None holds a secret or a real.
    """
    findings = Findings()
    values = with_dotenv(environ, cwd, findings.problems)
    values.setdefault("PORTERO_PYTHON", sys.executable)
    env = Environment(values, findings.problems)
    folder = config_folder(values, cwd, findings.problems)
    documents = _documents(folder, findings)
    ssl_cert, ssl_key = variables.certificate(env, cwd)
    url, data_dir = variables.redis_url(env), variables.data_dir(env, cwd)
    settings = Settings(
        port=env.number("PORT", 8443, 0, 65_535),
        host=env.text("HOST") or "127.0.0.1",
        bearer_token=variables.bearer_token(env, findings.warnings),
        clients=read_clients(documents[CLIENTS], values, findings.problems),
        ssl_cert=ssl_cert,
        ssl_key=ssl_key,
        telegram=variables.telegram(env, findings.warnings),
        approval_timeout_ms=1_000 * env.number("APPROVAL_TIMEOUT_SECONDS", DAY_SECONDS, 1, 366 * DAY_SECONDS),
        redis_url=url,
        store_name=variables.store_name(env),
        fsync="everysec" if env.choice("PORTERO_FSYNC", "always", ("always", "everysec")) == "everysec" else "always",
        log_level=variables.log_level(env),
        config_dir=folder,
        data_dir=data_dir,
        tool_names=env.choice("PORTERO_TOOL_NAMES", "slash", ("slash", "safe")),
        allowed_hosts=env.names("PORTERO_ALLOWED_HOSTS"),
        allowed_origins=variables.allowed_origins(env),
        max_body_bytes=env.number("PORTERO_MAX_BODY_BYTES", 4 * MEBIBYTE, 1_024, 1 << 30),
        result_retention_ms=env.duration_ms("PORTERO_RESULT_RETENTION", 7 * DAY_SECONDS * 1_000),
        lease_ms=1_000 * env.number("PORTERO_LEASE_SECONDS", 15, 2, 600),
        retry_read_only=env.flag("PORTERO_RETRY_READ_ONLY", default=True),
        archive=archive(env, cwd, data_dir, embedded=url is None),
        upstreams=read_upstreams(documents[SERVERS], values, findings),
        upstreams_digest=digest_of("upstreams", repr(documents[SERVERS])),
        policy=read_policies(documents[POLICIES], values, findings.problems),
        replacer=read_replacements(documents[REPLACEMENTS], values, findings),
        skipped=tuple(findings.skipped),
    )
    refuse_reals(settings.policy, settings.replacer, findings.problems)
    if findings.problems:
        raise ConfigError(*findings.problems)
    env.warn_of_slips(findings.warnings)
    warn_of_strangers(settings.policy, _names(documents[SERVERS]), findings.warnings)
    return attrs.evolve(settings, warnings=tuple(findings.warnings)).with_secrets(findings.secrets)


def _documents(folder: Path, findings: Findings) -> dict[str, Any]:
    """The value of each file. One that cannot be used counts as empty, so that the others are still checked."""
    documents = {}
    for name, empty in EMPTY.items():
        before = len(findings.problems)
        document = read_json(folder, name, findings.problems)
        if document is None and len(findings.problems) == before:
            if (folder / name).exists():
                findings.problems.append(f"{name} is null. It must be an object.")
            elif name != CLIENTS:
                findings.warnings.append(f"{folder / name} does not exist: {_MEANING[name]}.")
        documents[name] = empty if document is None else document
    return documents


_MEANING: Final = {
    SERVERS: "there are no servers behind the gateway",
    POLICIES: "a person is asked about every call",
    REPLACEMENTS: "nothing is replaced",
}


def _names(document: Any) -> list[str]:
    """The servers of a checked ``mcps.json``, whether skipped or not."""
    return [entry["name"] for entry in document["mcps"]]
