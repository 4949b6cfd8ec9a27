"""What is found out while the configuration is read, so that all of it can be said in one go."""

import attrs


@attrs.define
class Findings:
    """Sentences for people, none of which holds a secret or a real value; and the secrets, to be kept out of logs."""

    problems: list[str] = attrs.field(factory=list)
    """What must be mended before anything starts."""
    skipped: list[str] = attrs.field(factory=list)
    """What was left out, with the variable that it lacks."""
    warnings: list[str] = attrs.field(factory=list)
    """What works, but is probably not meant."""
    secrets: set[str] = attrs.field(factory=set, repr=False)
