"""``portero demo``: the whole of it, as a person starts it, and that nothing of it is left, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.home import ROOT
from tests.stores import eventually

STEPS = ["Allowed and masked", "Denied", "Asked", "Approved", "Granted", "On the log"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo makes its own folder; short, as the folders of people are."""
    made = Path(tempfile.mkdtemp(prefix="pd-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start(folder: Path) -> "subprocess.Popen[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    # what the person has set for their own gateway is none of the demo's business
    environment |= {"REDIS_URL": "redis://127.0.0.1:1", "BEARER_TOKEN": "x y", "TELEGRAM_BOT_TOKEN": "?", "PORT": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "portero", "demo"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


def nothing_is_left(folder: Path) -> bool:
    return list(folder.iterdir()) == [] and processes(folder) == []


def processes(folder: Path) -> list[str]:
    """Command lines of the processes that were started for a demo in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                line = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:  # it ended meanwhile, or is another user's
                continue
            if f"{folder}/portero-demo-".encode() in line:
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_it_shows_everything_and_leaves_nothing(folder: Path) -> None:
    demo = start(folder)
    out, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (0, ""), out + errors
    assert [out.index(f"{number}. {step}") for number, step in enumerate(STEPS, 1)] == sorted(
        out.index(f"{number}. {step}") for number, step in enumerate(STEPS, 1)
    )
    before, _, log = out.partition("6. On the log")
    for expected in (
        'the office got:   {"name": "Marta Ruiz"}',
        "the client got:   Jane Doe <jane.doe@example.com>",
        "the client got:   pending-approval, task ",
        "$ portero approve ",
        "Approved: office/send_mail",
        '"to": "marta.ruiz@harbour.example"',
        "the client got:   Sent “Your order” to jane.doe@example.com",
        "the client got:   Sent “Your invoice”",
    ):
        assert expected in before
    assert "Marta" not in log
    for event in ("ran", "denied", "asks", "approved", "granted"):
        assert f"\t{event}\t" in log
    assert nothing_is_left(folder)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["All of it runs", "3. Asked", "$ portero grant"])
def test_it_leaves_nothing_when_it_is_ended_early(folder: Path, moment: str, ending: signal.Signals) -> None:
    demo = start(folder)
    assert demo.stdout is not None
    while moment not in (line := demo.stdout.readline()):
        assert line, "the demo ended by itself"
    if ending is signal.SIGINT:
        os.killpg(demo.pid, ending)  # as a terminal does it: to everything in the foreground
    else:
        demo.send_signal(ending)
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130, errors
    assert errors.strip() == ""
    eventually(lambda: nothing_is_left(folder), f"nothing is left: {processes(folder)}")


@pytest.mark.parametrize(
    ("moment", "said"), [("All of it runs", "did not start"), ("$ portero pending", "stopped answering")]
)
def test_a_gateway_that_dies_is_told_and_cleaned_up(folder: Path, moment: str, said: str) -> None:
    demo = start(folder)
    assert demo.stdout is not None
    while moment not in (line := demo.stdout.readline()):
        assert line, "the demo ended by itself"
    eventually(lambda: gateway(folder) is not None, "the gateway runs")
    found = gateway(folder)
    assert found is not None
    os.kill(found, signal.SIGKILL)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert said in errors
    assert "Traceback" not in errors
    assert nothing_is_left(folder)


def gateway(folder: Path) -> int | None:
    """The process of the demo's gateway."""
    for process in Path("/proc").iterdir():
        try:
            serves = process.name.isdecimal() and b"\0serve\0" in (process / "cmdline").read_bytes()
            if serves and str(folder).encode() in (process / "environ").read_bytes():
                return int(process.name)
        except OSError:
            continue
    return None
