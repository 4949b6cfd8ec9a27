"""A value that does not show itself: neither repr nor str nor a format string of it gives it away."""

import hmac
from typing import Final, NoReturn

MASK: Final = "••••••"


class Secret:
    """Wraps a token or password. Only ``reveal()`` gives it; comparing takes as long wherever the texts differ."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def matches(self, given: str) -> bool:
        """Whether ``given`` is this secret, in constant time."""
        return hmac.compare_digest(self._value.encode(), given.encode("utf-8", "surrogatepass"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be written anywhere")
