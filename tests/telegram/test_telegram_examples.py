"""Cards look as the example files say. ``PORTERO_WRITE_EXAMPLES=1`` writes those files anew: read the difference."""

import os
from pathlib import Path

import pytest

from portero.telegram.render import rich
from portero.telegram.render.message import Message
from tests.telegram.examples import EXAMPLES, render, render_with_reals
from tests.telegram.spoken import SPOKEN
from tests.telegram.test_telegram_card_properties import assert_accepted

FOLDER = Path(__file__).parent / "examples"


def written(message: Message) -> str:
    parts = [rich.html(message.text)]
    parts += ["", *(" | ".join(f"[{button.text}]({button.data})" for button in row) for row in message.keyboard)]
    if message.attachment is not None:
        parts += ["", f"=== {message.attachment.filename} ===", message.attachment.content.decode()[:1500]]
    return "\n".join(parts).rstrip("\n") + "\n"


def assert_like_file(name: str, message: Message) -> None:
    path = FOLDER / f"{name}.html"
    if os.environ.get("PORTERO_WRITE_EXAMPLES"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(written(message))
    assert written(message) == path.read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_card_is_like_its_example(name: str) -> None:
    message = render(name)
    assert_accepted(message)
    assert_like_file(name, message)


def test_a_setting_shows_the_real_values() -> None:
    message = render_with_reals()
    assert_accepted(message)
    assert_like_file("mail_with_reals", message)


def test_every_example_file_is_of_an_example() -> None:
    assert {path.stem for path in FOLDER.glob("*.html")} == {*EXAMPLES, *SPOKEN, "mail_with_reals"}
