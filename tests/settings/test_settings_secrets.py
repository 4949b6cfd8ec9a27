"""Secrets are in no text that a person or a log could see, unless somebody asks for them by name."""

import json
import pickle
import stat
import threading
from pathlib import Path

import cattrs
import pytest

from portero.errors import ConfigError
from portero.settings import Secret, kept_token, make_token
from tests.settings.configured import Place

BOT = "12345:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
ENVIRON = {
    "BEARER_TOKEN": "bearer-bearer-bearer",
    "TELEGRAM_BOT_TOKEN": BOT,
    "TELEGRAM_WEBHOOK_SECRET": "hook-secret",
    "PAIRING_CODE": "pair-me-please",
    "REDIS_URL": "rediss://user:p%40ssword@redis.example:6380/0",
    "GITHUB_TOKEN": "ghp_secret_value",
    "SOME_PATH": "/visible/path",
    "REAL_NAME": "Ann Real",
}
FILES = {
    "mcps": {
        "mcps": [
            {
                "name": "one",
                "command": "run",
                "args": ["--api-key=${GITHUB_TOKEN}", "${SOME_PATH}"],
                "env": {"API_KEY": "literal-key-value", "PLAIN": "plain-value"},
            },
            {"name": "two", "url": "https://x.example/mcp", "headers": {"Authorization": "Bearer header-token"}},
        ]
    },
    "replacements": {"replacements": [{"fake": "John Fake", "real": "${REAL_NAME}"}]},
}
HIDDEN = [
    *("bearer-bearer-bearer", BOT, "hook-secret", "pair-me-please", "p@ssword", "p%40ssword"),
    *("ghp_secret_value", "literal-key-value", "header-token"),
]


def test_no_secret_and_no_real_shows_in_the_settings(place: Place) -> None:
    settings = place.load(ENVIRON, **FILES)
    for text in (repr(settings), str(settings), f"{settings}"):
        assert not [secret for secret in [*HIDDEN, "Ann Real"] if secret in text]


def test_texts_for_logs_are_scrubbed_of_secrets_and_reals(place: Place) -> None:
    settings = place.load(ENVIRON, **FILES)
    for secret in HIDDEN:
        assert secret in settings.secrets
        assert secret not in settings.scrub(f"before {secret} after")
    text = "Ann Real went to /visible/path with plain-value"
    assert settings.scrub(text) == text.replace("Ann Real", "John Fake")


def test_the_longest_secret_is_scrubbed_first(place: Place) -> None:
    settings = place.load({"BEARER_TOKEN": "abcdefghijklmnop", "REDIS_URL": "redis://:abcdefghijklmnopqrst@h/0"})
    assert "qrst" not in settings.scrub("password abcdefghijklmnopqrst")


def test_no_problem_shows_a_secret(place: Place) -> None:
    broken = {
        "mcps": {"mcps": [{"name": "one", "url": "${GITHUB_TOKEN}", "headers": {"X Y": "${GITHUB_TOKEN}"}}]},
        "replacements": {"replacements": [{"fake": "${REAL_NAME}", "real": "${REAL_NAME}"}]},
    }
    wrong = {"TELEGRAM_BOT_TOKEN": "bad token", "BEARER_TOKEN": "bad bearer", "REDIS_URL": "password-without-scheme"}
    said = "\n".join(place.problems(ENVIRON | wrong, **broken))
    assert said.count("\n") >= 4
    for text in ("ghp_secret_value", "Ann Real", *wrong.values()):
        assert text not in said


def test_a_secret_shows_itself_to_nobody_but_who_asks() -> None:
    secret = Secret("open sesame")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", "%s" % secret, repr([secret])):  # noqa: UP031
        assert "sesame" not in text
    assert secret.reveal() == "open sesame"
    assert secret.matches("open sesame")
    assert not secret.matches("open sesamé \ud800")
    assert secret == Secret("open sesame")
    assert secret != "open sesame"
    assert not Secret("")


def test_a_secret_cannot_be_written_by_accident() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))
    with pytest.raises(TypeError):
        json.dumps(cattrs.unstructure({"token": Secret("x")}))


# --- the token that is made ----------------------------------------------------------------------------------------


def test_a_token_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    assert kept_token(data) is None
    token, new = make_token(data)
    assert new
    assert len(token.reveal()) >= 40
    assert make_token(data) == (token, False)
    assert kept_token(data) == token
    assert stat.S_IMODE((data / "bearer-token").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [path.name for path in data.iterdir()] == ["bearer-token"]


def test_a_kept_token_that_others_can_read_is_taken_from_them(tmp_path: Path) -> None:
    token, _ = make_token(tmp_path)
    (tmp_path / "bearer-token").chmod(0o644)
    assert kept_token(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "bearer-token").stat().st_mode) == 0o600


def test_starts_at_the_same_moment_agree_on_one_token(tmp_path: Path) -> None:
    barrier, made = threading.Barrier(8), []

    def start() -> None:
        barrier.wait()
        made.append(make_token(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({token.reveal() for token, _ in made}) == 1
    assert sum(new for _, new in made) == 1


def test_a_token_file_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bearer-token").write_text("\n")
    with pytest.raises(ConfigError, match="Delete it"):
        make_token(tmp_path)
    (tmp_path / "bearer-token").unlink()
    (tmp_path / "bearer-token").mkdir()
    with pytest.raises(ConfigError, match="set BEARER_TOKEN"):
        make_token(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="set BEARER_TOKEN"):
        make_token(tmp_path / "file" / "data")


def test_a_made_token_is_a_secret_of_the_settings(place: Place) -> None:
    settings = place.load()
    token, _ = make_token(settings.data_dir)
    settings = settings.with_bearer_token(token)
    assert settings.bearer_token == token
    assert token.reveal() in settings.secrets
