"""``portero completion``: the script that makes a shell complete commands, task ids, tools and rules."""

from typing import Final

import click
from click.shell_completion import get_completion_class

INSTALL: Final = {
    "bash": 'Add to ~/.bashrc:  eval "$(portero completion bash)"',
    "zsh": 'Add to ~/.zshrc:  eval "$(portero completion zsh)"',
    "fish": "Once:  portero completion fish > ~/.config/fish/completions/portero.fish",
}


@click.command(short_help="Shell completion for bash, zsh or fish.", epilog="  \n".join(INSTALL.values()))
@click.argument("shell", type=click.Choice(tuple(INSTALL)))
def completion(shell: str) -> None:
    """Prints the script that makes SHELL complete commands, waiting tasks, known tools, grants and rules."""
    from portero.cli.root import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"There is no completion for {shell}.")
    click.echo(kind(cli, {}, "portero", "_PORTERO_COMPLETE").source())
