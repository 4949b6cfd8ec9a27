"""A message before it is sent: text, buttons, and perhaps a file."""

import attrs

from portero.telegram.callbacks import Verb, data
from portero.telegram.render.rich import Rich


@attrs.frozen
class Button:
    text: str
    data: str


Keyboard = tuple[tuple[Button, ...], ...]


@attrs.frozen
class Attachment:
    filename: str
    content: bytes = attrs.field(repr=False)
    caption: Rich = ()


@attrs.frozen
class Message:
    """``silent``: it arrives without a sound."""

    text: Rich
    keyboard: Keyboard = ()
    attachment: Attachment | None = None
    silent: bool = False


def button(text: str, verb: Verb, about: str = "", page: int = 0) -> Button:
    return Button(text, data(verb, about, page))
