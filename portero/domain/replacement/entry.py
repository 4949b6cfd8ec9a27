"""One line of the replacement table."""

from typing import Final

import attrs

REDACTED: Final = "***REDACTED***"
"""What stands in a result for the real value of a one-way entry that names nothing else."""


@attrs.frozen
class Entry:
    """``fake`` is what the model sees and writes, ``real`` what upstreams get and give. Source: ``replacements.json``.

    ``real`` is left out of the repr: it must not reach a log by accident.
    """

    fake: str
    real: str = attrs.field(repr=False)
    bidirectional: bool = True
    """False: one-way. Requests get the real value; in results it becomes ``response_replacement``."""
    case_sensitive: bool = True
    whole_word: bool = False
    """True: only where no letter, digit or underscore stands next to it."""
    response_replacement: str = REDACTED
    number: int = attrs.field(default=0, eq=False)
    """Its place in the file, from 1, for messages; 0: its place in the table."""

    @property
    def shown(self) -> str:
        """What a result shows in place of the real value."""
        return self.fake if self.bidirectional else self.response_replacement
