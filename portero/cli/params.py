"""Kinds of arguments that click does not know; what cannot be read is wrong usage, exit code 2."""

from typing import Any

import click

from portero.cli.place import replacer
from portero.domain.duration import parse_duration
from portero.domain.patterns import Pattern, check_fakes
from portero.errors import Invalid


class _Duration(click.ParamType[int]):
    """``30m``, ``2h30m``: milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration(value)
        except Invalid as error:
            self.fail(str(error), param, ctx)


class _Pattern(click.ParamType[str]):
    """``github/*``: a pattern over ``server/tool``, as it was typed."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parsed = str(Pattern.parse(value))
            check_fakes(parsed, replacer().stored_text)
        except Invalid as error:
            self.fail(str(error), param, ctx)
        return parsed


DURATION = _Duration()
PATTERN = _Pattern()
