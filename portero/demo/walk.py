"""The demo's story: what a client does, what Portero makes of it, and what a person decides. Every claim is checked."""

import asyncio
import json
import shutil
import signal
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import click

from portero.cli.output import complain
from portero.cli.text import visible
from portero.demo.instance import FAKE_MAIL, FAKE_NAME, REAL_MAIL, REAL_NAME, DemoFailed, Instance, throw_away

if TYPE_CHECKING:  # the SDK takes a second to import; it waits until the gateway starts beside it
    from portero.demo.client import Answer, DemoClient

MAIL = {"to": FAKE_MAIL, "subject": "Your order", "body": f"Dear {FAKE_NAME}, it is on its way."}


async def demo() -> None:
    """Runs the whole demo. Raises DemoFailed when something does not go as told; nothing is left behind in any case."""
    started = time.monotonic()
    task = asyncio.current_task()
    if task is not None:  # a terminal that closes, or a kill, ends it as cleanly as Ctrl-C does
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    click.secho("Portero, in a few seconds", bold=True)
    click.echo("An AI client talks to Portero, and Portero to a made-up office with customers and an outbox.")
    click.echo("All of it runs on this machine only and is gone at the end.")
    async with throw_away() as instance:
        from portero.demo.client import connected, wait_until_ready  # the gateway starts while this is imported

        await wait_until_ready(instance)
        failed: DemoFailed | None = None
        try:
            async with connected(instance) as client:
                try:
                    await Walk(instance, client).all()
                except DemoFailed as error:  # told once we are out of the client, which wraps what passes through it
                    failed = error
        except Exception as error:
            if task is not None and task.cancelling():  # Ctrl-C ends the gateway too, whose end may be seen first
                raise asyncio.CancelledError from error
            complain(*instance.gateway_output().splitlines())
            text = "The demo's gateway stopped answering; above is what it printed. `portero doctor` may know why."
            raise DemoFailed(text) from error
        if failed is not None:
            raise failed
    click.echo(f"\nThat was it, in {time.monotonic() - started:.0f} seconds; nothing of it is left on this machine.")
    click.echo("Now yours: `portero serve` starts a gateway and prints how to connect Claude Code.")


class Walk:
    """One walk through an instance, step by step."""

    def __init__(self, instance: Instance, client: "DemoClient") -> None:
        self._instance = instance
        self._client = client
        self._step = 0

    async def all(self) -> None:
        await self.allowed()
        await self.denied()
        task = await self.asked()
        await self.approved(task)
        await self.granted()
        await self.logged()

    async def allowed(self) -> None:
        self._title("Allowed and masked")
        self._say(
            "The policy allows office/find_* without asking. The client knows only a made-up name for the customer."
        )
        answer = await self._call("office/find_customer", name=FAKE_NAME)
        received = self._instance.journal[-1]["arguments"]
        _show("the office got", json.dumps(received))
        _show("the client got", answer.text)
        _expect(received == {"name": REAL_NAME}, "the office gets the real name")
        _expect(answer.text == f"{FAKE_NAME} <{FAKE_MAIL}>", "the client gets made-up data only")
        self._say("Real data went to the office, made-up data came back. The client and the log never see the real.")

    async def denied(self) -> None:
        self._title("Denied")
        self._say("The policy denies office/delete_*.")
        before = len(self._instance.journal)
        answer = await self._call("office/delete_customer", name=FAKE_NAME)
        _show("the client got", answer.text)
        _expect(answer.is_error and len(self._instance.journal) == before, "a denied call does not reach the office")
        self._say("The office never heard of it.")

    async def asked(self) -> str:
        self._title("Asked")
        self._say(
            "office/send_mail needs a person's approval. The client does not hang; it gets a task to come back to."
        )
        before = len(self._instance.journal)
        pending = (await self._call("office/send_mail", **MAIL)).json()
        _show("the client got", f"{pending['status']}, task {pending['task_id']}")
        _expect(pending["status"] == "pending-approval", "the client is told that it waits")
        self._say("A person looks at it, in another terminal (or on Telegram):")
        await self._type("pending")
        _expect(len(self._instance.journal) == before, "nothing is sent before the approval")
        return str(pending["task_id"])

    async def approved(self, task: str) -> None:
        self._title("Approved")
        self._say("The person lets it run; Portero sends it, and the client fetches the result.")
        await self._type("approve", task)
        done = await self._client.call("portero/check_task", task_id=task, wait_seconds=10)
        _show("the office got", json.dumps(self._instance.journal[-1]["arguments"]))
        _show("the client got", done.text)
        _expect(
            done.text.startswith("Sent") and FAKE_MAIL in done.text, "the approved call runs and its result is fetched"
        )
        _expect(self._instance.journal[-1]["arguments"]["to"] == REAL_MAIL, "the mail goes to the real address")

    async def granted(self) -> None:
        self._title("Granted")
        self._say("Ten minutes of the same without being asked again:")
        await self._type("grant", "office/send_mail", "10m")
        answer = await self._call("office/send_mail", **(MAIL | {"subject": "Your invoice"}))
        _show("the client got", answer.text)
        _expect(answer.text.startswith("Sent"), "a granted call runs at once")

    async def logged(self) -> None:
        self._title("On the log")
        self._say("Every step of it is an event on one durable log, with who, when and why:")
        await self._type("logs")

    # --- how it is told ---------------------------------------------------------------------------------------------

    def _title(self, title: str) -> None:
        self._step += 1
        click.secho(f"\n{self._step}. {title}", bold=True)

    def _say(self, text: str) -> None:
        click.echo(f"   {text}")

    async def _call(self, tool: str, **arguments: str) -> "Answer":
        _show("the client calls", f"{tool} {json.dumps(arguments)}")
        return await self._client.call(tool, **arguments)

    async def _type(self, *arguments: str) -> None:
        click.secho(f"   $ portero {' '.join(arguments)}", dim=True)
        _expect(await self._instance.command(*arguments) == 0, f"`portero {arguments[0]}` works")


def _show(who: str, what: str) -> None:
    """Who said or got what; on a terminal, what does not fit goes on below."""
    head = f"   {who + ':':<17} "
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if width < 2 * len(head):
        click.echo(head + visible(what))
    else:
        click.echo(textwrap.fill(visible(what), width, initial_indent=head, subsequent_indent=" " * len(head)))


def _expect(holds: bool, claim: str) -> None:
    if not holds:
        raise DemoFailed(
            f"The demo says that {claim}, and it was not so. This is a defect of Portero; please report it."
        )
