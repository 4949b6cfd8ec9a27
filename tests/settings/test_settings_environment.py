"""The environment: ``.env``, defaults, types, and variables that belong together."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from portero.settings import Settings, TelegramSettings, load
from tests.settings.configured import Place

BOT = "12345:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


def test_with_nothing_set_everything_has_its_default(place: Place) -> None:
    settings = place.load()
    assert (settings.port, settings.host, settings.log_level) == (8443, "127.0.0.1", "info")
    assert settings.bearer_token is None
    assert settings.telegram is None
    assert settings.redis_url is None
    assert (settings.ssl_cert, settings.ssl_key) == (None, None)
    assert settings.approval_timeout_ms == 86_400_000
    assert settings.data_dir == place.folder / "data"
    assert settings.config_dir == place.folder / "config"
    assert (settings.tool_names, settings.fsync, settings.store_name) == ("slash", "always", "main")
    assert settings.result_retention_ms == 7 * 86_400_000
    assert settings.max_body_bytes == 4 << 20
    assert settings.retry_read_only
    assert settings.secrets == ()


def test_loading_makes_no_file(place: Place) -> None:
    place.load()
    assert sorted(path.name for path in place.folder.iterdir()) == ["config"]


def test_dotenv_is_read_and_the_real_environment_wins_even_when_empty(place: Place) -> None:
    place.write(
        ".env", '# a comment\nexport PORT=1234\nHOST="10.0.0.1" # mine\nLOG_LEVEL=debug\nPAIRING_CODE=a$b${c}\n'
    )
    place.write(".env", (place.folder / ".env").read_text() + f"TELEGRAM_BOT_TOKEN={BOT}\n")
    settings = place.load({"PORT": "4321", "LOG_LEVEL": ""})
    assert (settings.port, settings.host, settings.log_level) == (4321, "10.0.0.1", "info")
    assert settings.telegram is not None
    assert settings.telegram.pairing_code is not None
    assert settings.telegram.pairing_code.reveal() == "a$b${c}"


def test_an_unreadable_line_of_dotenv_is_named(place: Place) -> None:
    place.write(".env", "PORT=1\n\nthis = 'is not\nHOST=x\n")
    assert ".env, line 3" in place.problem()


def test_dotenv_that_is_no_utf8_is_a_problem(place: Place) -> None:
    (place.folder / ".env").write_bytes(b"PORT=\xff\n")
    assert ".env cannot be read" in place.problem()


WRONG = {
    "PORT": ("80a", "whole number from 0 to 65535"),
    "APPROVAL_TIMEOUT_SECONDS": ("0", "whole number from 1 to"),
    "PORTERO_MAX_BODY_BYTES": ("12", "whole number from 1024"),
    "PORTERO_TOOL_NAMES": ("dots", "one of slash, safe"),
    "PORTERO_FSYNC": ("no", "one of always, everysec"),
    "PORTERO_RETRY_READ_ONLY": ("perhaps", "true or false"),
    "PORTERO_RESULT_RETENTION": ("7", "not a duration"),
    "PORTERO_NAME": ("a b", "letters, digits"),
    "LOG_LEVEL": ("loud", "one of debug, info"),
    "PORTERO_ALLOWED_ORIGINS": ("example.com", "no origin"),
    "REDIS_URL": ("localhost", "not an address"),
    "BEARER_TOKEN": ("two words and more", "without blanks"),
    "TELEGRAM_BOT_TOKEN": ("hello", "not a bot's token"),
    "TELEGRAM_API_BASE": ("ftp://x", "begins with https:// or http://"),
    "TELEGRAM_WEBHOOK_URL": ("http://example.com/x", "must begin with https://"),
    "TELEGRAM_WEBHOOK_SECRET": ("a b", "letters, digits"),
    "TELEGRAM_ADMIN_CHAT_ID": ("@me", "must be a whole number"),
    "TELEGRAM_ADMIN_USER_IDS": ("1,x", "whole numbers with commas"),
    "PORTERO_CONFIG_DIR": ("nowhere", "there is no such folder"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_said_with_the_name_and_what_is_wanted(place: Place, name: str) -> None:
    value, wanted = WRONG[name]
    problem = place.problem({name: value})
    assert name in problem
    assert wanted in problem


@pytest.mark.parametrize("url", ["localhost", "redis://[x", "://", "/run/redis.sock"])
def test_what_is_no_address_of_a_store_is_refused(place: Place, url: str) -> None:
    assert "REDIS_URL is not an address" in place.problem({"REDIS_URL": url})


def test_every_problem_is_reported_at_once(place: Place) -> None:
    problems = place.problems(
        {name: value for name, (value, _) in WRONG.items() if name != "PORTERO_CONFIG_DIR"},
        policies={"policies": {"a/b": "maybe"}},
        mcps="{",
        clients={"clients": [{"name": "x"}]},
        replacements={"replacements": [{"fake": "x"}]},
    )
    assert len(problems) == len(WRONG) - 1 + 4


@pytest.mark.parametrize("text", ["true", "1", "YES", "on"])
def test_flags_and_lists(place: Place, text: str) -> None:
    settings = place.load(
        {
            "PORTERO_RETRY_READ_ONLY": "no",
            "PORTERO_TELEGRAM_SHOW_REAL": text,
            "TELEGRAM_BOT_TOKEN": BOT,
            "TELEGRAM_ADMIN_USER_IDS": "5, 6,",
            "PORTERO_ALLOWED_HOSTS": "a.example, b.example",
            "PORTERO_ALLOWED_ORIGINS": "https://a.example,http://localhost:3000",
        }
    )
    assert not settings.retry_read_only
    assert settings.telegram is not None
    assert settings.telegram.show_real
    assert settings.telegram.admin_user_ids == (5, 6)
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.allowed_origins == ("https://a.example", "http://localhost:3000")


def test_node_programs_word_for_a_warning_is_understood(place: Place) -> None:
    assert place.load({"LOG_LEVEL": "WARN"}).log_level == "warning"


# --- the token -----------------------------------------------------------------------------------------------------


def test_the_token_of_an_example_is_refused_and_a_short_one_warned_of(place: Place) -> None:
    assert "still the example's" in place.problem({"BEARER_TOKEN": "replace-me"})
    assert "short enough to be guessed" in "".join(place.load({"BEARER_TOKEN": "abc"}).warnings)
    assert place.load({"BEARER_TOKEN": "x" * 16}).warnings == ()


# --- HTTPS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def test_https_needs_both_files_and_says_which_is_missing(place: Place, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    settings = place.load({"SSL_CERT_PATH": cert, "SSL_KEY_PATH": key})
    assert (settings.ssl_cert, settings.ssl_key) == certificate
    assert place.problem({"SSL_CERT_PATH": cert}) == "SSL_CERT_PATH is set and SSL_KEY_PATH is not. HTTPS needs both."
    assert place.problem({"SSL_KEY_PATH": key}) == "SSL_KEY_PATH is set and SSL_CERT_PATH is not. HTTPS needs both."
    problem = place.problem({"SSL_CERT_PATH": cert, "SSL_KEY_PATH": "nowhere.pem"})
    assert problem.startswith("SSL_KEY_PATH is 'nowhere.pem', which cannot be read")
    assert "no certificate and its unencrypted key" in place.problem({"SSL_CERT_PATH": key, "SSL_KEY_PATH": key})


# --- Telegram ------------------------------------------------------------------------------------------------------


def telegram(settings: Settings) -> TelegramSettings:
    assert settings.telegram is not None
    return settings.telegram


def test_a_bot_with_its_admin(place: Place) -> None:
    bot = telegram(place.load({"TELEGRAM_BOT_TOKEN": BOT, "TELEGRAM_ADMIN_CHAT_ID": "77"}))
    assert (bot.token.reveal(), bot.admin_chat_id, bot.admin_user_ids) == (BOT, 77, ())
    assert bot.webhook_secret is not None


def test_a_group_needs_the_people_in_it_who_may_decide(place: Place) -> None:
    environ = {"TELEGRAM_BOT_TOKEN": BOT, "TELEGRAM_ADMIN_CHAT_ID": "-1007"}
    assert "set TELEGRAM_ADMIN_USER_IDS" in place.problem(environ)
    assert telegram(place.load(environ | {"TELEGRAM_ADMIN_USER_IDS": "7"})).admin_chat_id == -1007
    assert "positive numbers" in place.problem(environ | {"TELEGRAM_ADMIN_USER_IDS": "-7"})


def test_what_telegram_lacks_is_warned_of(place: Place) -> None:
    assert "The bot knows nobody yet" in "".join(place.load({"TELEGRAM_BOT_TOKEN": BOT}).warnings)
    assert place.load({"TELEGRAM_BOT_TOKEN": BOT, "PAIRING_CODE": "246810"}).warnings == ()
    lonely = place.load({"TELEGRAM_ADMIN_CHAT_ID": "7"})
    assert lonely.telegram is None
    assert "TELEGRAM_BOT_TOKEN is not set" in "".join(lonely.warnings)


def test_replicas_of_one_bot_agree_on_the_webhooks_secret(place: Place) -> None:
    environ = {"TELEGRAM_BOT_TOKEN": BOT, "TELEGRAM_WEBHOOK_URL": "https://x.example/hook"}
    one, two = telegram(place.load(environ)), telegram(place.load(environ))
    assert one.webhook_secret == two.webhook_secret
    other = telegram(place.load(environ | {"TELEGRAM_WEBHOOK_SECRET": "mine"}))
    assert other.webhook_secret is not None
    assert other.webhook_secret.reveal() == "mine"


# --- slips ---------------------------------------------------------------------------------------------------------


def test_a_name_that_looks_like_one_of_ours_is_warned_of(place: Place) -> None:
    (warning,) = place.load({"PORTERO_TOOLNAMES": "safe", "PORTERO_SERVICE_HOST": "10.0.0.1"}).warnings
    assert warning == "PORTERO_TOOLNAMES is set, but Portero knows no such variable. Is PORTERO_TOOL_NAMES meant?"


# --- folders -------------------------------------------------------------------------------------------------------


def test_the_configuration_folder_is_named_or_here_or_the_default(place: Place, tmp_path_factory: Any) -> None:
    from portero.settings import default_config

    empty: Path = tmp_path_factory.mktemp("empty")
    (empty / "config").mkdir()
    (empty / "config" / "notes.txt").write_text("not ours")
    assert load({}, empty).config_dir == default_config()
    assert place.load().config_dir == place.folder / "config"
    assert load({"PORTERO_CONFIG_DIR": str(place.folder / "config")}, empty).config_dir == place.folder / "config"
    assert "has none of" in place.problem({"PORTERO_CONFIG_DIR": str(empty)})


def test_a_data_folder_that_is_a_file_is_refused(place: Place) -> None:
    (place.folder / "data").write_text("")
    assert "is not a folder" in place.problem()
