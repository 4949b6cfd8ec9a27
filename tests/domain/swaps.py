"""Tables and texts for the tests of replacement."""

import json
from typing import Any

from portero.domain.replacement import Entry, Replacer


def dumped(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


def only(fake: str, real: str, **options: Any) -> Replacer:
    """A table of one entry."""
    return Replacer.from_entries([Entry(fake, real, **options)])
