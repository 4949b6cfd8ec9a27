"""``portero audit``: the record for those who check it, on the archive and the log."""

import click

from portero.cli.commands.audit.export import export
from portero.cli.commands.audit.restore import restore
from portero.cli.commands.audit.verify import verify


@click.group(short_help="Check, export or restore the archived log.")
def audit() -> None:
    """The audit record: the archive's segments, and the log that they come from."""


for command in (verify, export, restore):
    audit.add_command(command)
