"""``portero demo``."""

import asyncio

import click


@click.command(short_help="See it all in a few seconds: a throw-away gateway, explained.")
def demo() -> None:
    """Shows what Portero does, with explanations, in a few seconds.

    Starts a throw-away gateway on this machine with a made-up office behind it, calls it as an AI client would,
    approves as a person would, prints the log, and leaves nothing behind. Needs no account, no Telegram, no network.
    """
    from portero.demo.walk import demo as walk

    asyncio.run(walk())
