"""The configuration that comes with Portero: what it allows, what it needs, and that it is all in ``.env.example``."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from portero.domain.ids import Millis
from portero.domain.policy import decide_policy
from portero.domain.values import Action
from portero.settings import Settings, default_config, load
from portero.settings.environment import OURS

ROOT = Path(__file__).parent.parent.parent
REVIEWED = {
    "notion/API-post-search": "searches; POST because of its long query; the upstream does not say that it only reads",
    "notion/API-query-data-source": "reads rows; POST because of its long filter; the upstream does not say so either",
}
"""Tools that are allowed although their upstream does not declare them read-only, each with why."""

EVERYTHING = {
    "FILESYSTEM_ROOT": "/srv/files",
    "GITHUB_TOKEN": "ghp_x",
    "GOOGLE_OAUTH_CLIENT_ID": "id",
    "GOOGLE_OAUTH_CLIENT_SECRET": "secret",
    "NOTION_API_TOKEN": "ntn_x",
    "STRIPE_API_KEY": "sk_x",
    "REAL_NAME": "Ann Roe",
    "REAL_EMAIL": "ann@roe.example",
    "REAL_BANK_ACCOUNT": "ES9121000418450200051332",
    "REAL_API_KEY": "sk-live-1",
}


class Known(NamedTuple):
    """A tool as its upstream offers it. ``read_only``: True, False, unsaid, or disputed between its versions."""

    server: str
    tool: str
    read_only: str
    action: str

    @property
    def name(self) -> str:
        return f"{self.server}/{self.tool}"


def known_tools() -> list[Known]:
    with (ROOT / "tests" / "data" / "upstream-tools.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return [Known(*row) for row in rows]


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load({}, tmp_path_factory.mktemp("anywhere"))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(EVERYTHING, tmp_path_factory.mktemp("anywhere"))


def action(settings: Settings, tool: str) -> Action:
    verdict = decide_policy(tool, None, config=settings.policy, rules=(), grants=(), locked=False, now=Millis(0))
    return verdict.action


# --- servers -------------------------------------------------------------------------------------------------------


def test_without_any_variable_one_server_starts_and_the_others_say_what_they_lack(default: Settings) -> None:
    assert default.config_dir == default_config()
    assert [config.name for config in default.upstreams] == ["files"]
    said = "\n".join(default.skipped)
    for server, variable in {
        "filesystem": "FILESYSTEM_ROOT",
        "github": "GITHUB_TOKEN",
        "google": "GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET",
        "notion": "NOTION_API_TOKEN",
        "stripe": "STRIPE_API_KEY",
    }.items():
        verb = "are" if " and " in variable else "is"
        assert f"Server {server!r} is skipped: {variable} {verb} not set." in said
    assert default.warnings == ()


def test_with_every_variable_all_servers_and_replacements_are_there(complete: Settings) -> None:
    assert [config.name for config in complete.upstreams] == [
        *("files", "filesystem", "github", "google", "notion", "stripe")
    ]
    assert (complete.skipped, complete.warnings) == ((), ())
    sent = complete.replacer.to_real(
        b'["John Doe", "JOHN@example.com", "1234567890000000000000", "fake-api-key-12345"]'
    )
    assert json.loads(sent) == ["Ann Roe", "ann@roe.example", "ES9121000418450200051332", "sk-live-1"]
    assert complete.replacer.mask_text("sk-live-1") == "***API-KEY***"


def test_every_pinned_tool_exists(complete: Settings) -> None:
    names = {known.name for known in known_tools()}
    for config in complete.upstreams:
        for tool in config.pinned_tools or ():
            assert f"{config.name}/{tool}" in names


# --- policies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", known_tools(), ids=lambda known: known.name)
def test_what_is_decided_for_every_known_tool(default: Settings, known: Known) -> None:
    decided = action(default, known.name)
    assert decided == known.action
    if decided is Action.ALLOW:
        assert known.read_only == "True" or known.name in REVIEWED


def test_the_list_of_known_tools_is_long_enough_to_mean_something() -> None:
    servers = {known.server for known in known_tools()}
    assert servers >= {"filesystem", "github", "google", "notion", "stripe", "everything", "fetch", "memory", "git"}
    assert len(known_tools()) > 350
    assert sum(known.action == "allow" for known in known_tools()) > 50
    assert {known.name for known in known_tools()} >= set(REVIEWED)


@pytest.mark.parametrize(
    "tool",
    [
        *("everything/get-env", "fetch/fetch", "memory/read_graph", "unknown/get_anything", "files/new_tool"),
        *("github/list_secret_scanning_alerts", "github/get_secret_scanning_alert", "github/get_job_logs"),
        *(
            "github/get_some_new_thing",
            "google/list_contacts",
            "google/get_drive_file_download_url",
            "stripe/list_customers",
        ),
        *("filesystem/resource:file:///etc/passwd", "github/prompt:anything", "notion/API-get-users"),
    ],
)
def test_what_reads_secrets_people_or_the_world_and_what_is_new_is_asked(default: Settings, tool: str) -> None:
    assert action(default, tool) is Action.ASK


def test_nothing_is_allowed_by_a_pattern(default: Settings) -> None:
    assert not [text for text in default.policy.entries if "*" in text]
    assert default.policy.default is Action.ASK


def test_the_builtin_server_shows_all_three_decisions(default: Settings) -> None:
    assert [action(default, f"files/{tool}") for tool in ("list_directory", "write_file", "delete_file")] == [
        *(Action.ALLOW, Action.ASK, Action.DENY)
    ]


def test_every_policy_is_for_a_tool_that_exists(default: Settings) -> None:
    from portero.builtin.files import tools_of
    from portero.builtin.folder import Folder

    names = {known.name for known in known_tools()} | {f"files/{tool.name}" for tool in tools_of(Folder(ROOT))}
    assert set(default.policy.entries) - names == {"filesystem/delete_file"}  # some servers of that name have it


# --- documentation -------------------------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := re.fullmatch(r"#?([A-Z_]+)=(.*)", line))}


def test_every_variable_is_in_the_example() -> None:
    read = set()
    for path in (ROOT / "portero" / "settings").glob("*.py"):
        read |= set(re.findall(r'env\.[a-z_]+\(\s*"([A-Z_]+)"', path.read_text(encoding="utf-8")))
    files = "".join(path.read_text(encoding="utf-8") for path in default_config().glob("*.json"))
    read |= set(re.findall(r"\$\{([A-Z_]+)\}", files)) | OURS | {"SSL_CERT_PATH", "SSL_KEY_PATH"}
    assert set(documented()) == read - {"PORTERO_PYTHON", "PORTERO_DEBUG"}


def test_the_example_as_it_is_changes_nothing_and_its_values_are_the_defaults(
    default: Settings, tmp_path: Path
) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    assert load({}, tmp_path).skipped == default.skipped
    shown: dict[str, Any] = {name: value for name, value in documented().items() if value}
    for name in ("PORTERO_ALLOWED_HOSTS", "PORTERO_ALLOWED_ORIGINS", "REDIS_URL", "PORTERO_CONFIG_DIR"):
        del shown[name]  # examples of what could be, not defaults
    stated = load(shown, tmp_path)
    for field in ("port", "host", "approval_timeout_ms", "fsync", "store_name", "log_level", "tool_names"):
        assert getattr(stated, field) == getattr(default, field)
    for field in ("max_body_bytes", "result_retention_ms", "retry_read_only", "telegram"):
        assert getattr(stated, field) == getattr(default, field)
    assert stated.data_dir == tmp_path / "data"
