"""Unicode's normal forms in time that grows with the length of a text, whoever wrote it.

Python sorts the marks that stand behind a letter one by one: 65,000 of them, which is a small message, take 10 s.
"""

import re
import unicodedata
from typing import Final, Literal

Form = Literal["NFC", "NFKC"]

_LONG: Final = re.compile("[^\x00-\u02ff]{64,}")
"""There are no marks below; so few take no time."""
_DECOMPOSED: Final[dict[Form, Literal["NFD", "NFKD"]]] = {"NFC": "NFD", "NFKC": "NFKD"}


def normalize(form: Form, text: str) -> str:
    """As ``unicodedata.normalize``. The same object where the text is normal already."""
    if unicodedata.is_normalized(form, text):
        return text
    return unicodedata.normalize(form, _LONG.sub(lambda run: _sorted(form, run[0]), text))


def _sorted(form: Form, run: str) -> str:
    """Decomposed, with its marks in the order that the standard asks for: then there is nothing left to sort."""
    done: list[str] = []
    marks: list[str] = []
    for char in "".join(unicodedata.normalize(_DECOMPOSED[form], char) for char in run):
        if unicodedata.combining(char):
            marks.append(char)
        else:
            done += sorted(marks, key=unicodedata.combining)
            done.append(char)
            marks.clear()
    return "".join(done + sorted(marks, key=unicodedata.combining))
