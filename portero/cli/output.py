"""Where a command's answer goes: a table on a terminal, tab-separated lines into a pipe, JSON for programs."""

import sys
from collections.abc import Sequence
from typing import Any

import attrs
import click

from portero.cli.text import json_document, json_line, visible


@attrs.frozen
class Output:
    """Everything a command prints goes through here, and everything that is not our own text through ``visible``."""

    as_json: bool
    terminal: bool

    def document(self, value: Any) -> None:
        """The one JSON document of a command that was asked for ``--json``."""
        click.echo(json_document(value) if self.terminal else json_line(value))

    def record(self, value: Any) -> None:
        """One of many JSON documents, a line each."""
        click.echo(json_line(value))

    def raw(self, text: str) -> None:
        """Many lines at once, made for programs."""
        sys.stdout.write(text)

    def line(self, text: str = "") -> None:
        """Text of our own, in which whatever is not ours has been made visible already."""
        click.echo(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
        """Rows under headings; into a pipe without headings and whole, a tab between the cells."""
        if not self.terminal:
            for row in rows:
                click.echo("\t".join(visible(cell) for cell in row))
        elif not rows:
            click.echo(empty)
        else:
            _print_table(columns, rows)

    def fields(self, pairs: Sequence[tuple[str, object]]) -> None:
        """Names and values, one pair a line; pairs without a value (None) are left out."""
        shown = [(name, visible(value)) for name, value in pairs if value is not None]
        if not self.terminal:
            for name, value in shown:
                click.echo(f"{name}\t{value}")
            return
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            click.echo(f"{name:<{width}}  {value}")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(Text(column), overflow="fold", no_wrap=position == 0)  # an id is copied: never broken
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))  # Text: rich's own markup means nothing here
    Console(highlight=False, markup=False, emoji=False).print(table)


def complain(*lines: str) -> None:
    """An error for a person, on standard error."""
    for line in lines:
        click.echo(visible(line), err=True)


def make_output(as_json: bool) -> Output:
    return Output(as_json, sys.stdout.isatty())


def json_option(function: Any) -> Any:
    """``--json`` on a command; the command gets its Output as ``out``."""
    return click.option(
        "--json",
        "out",
        is_flag=True,
        help="Print JSON for programs.",
        callback=lambda _context, _parameter, chosen: make_output(chosen),
    )(function)
