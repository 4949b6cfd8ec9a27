"""A promise that was broken."""

import attrs


@attrs.frozen
class Violation:
    """``promise`` names it in a few words, ``about`` says of what, ``text`` what happened instead."""

    promise: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.text}"
