"""The command line as a whole: its help, its errors, and that it stays quick."""

import subprocess
import sys

import click
import pytest

from portero.cli.root import ENTRIES, cli
from tests.cli.home import Home

NAMES = [entry.name for entry in ENTRIES]


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def test_help_names_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "portero", "--help"], capture_output=True, text=True, check=True)
    for entry in ENTRIES:
        assert f"  {entry.name} " in done.stdout
        assert entry.help in done.stdout.replace("\n               ", " ")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_before_and_after_the_import_say_the_same(name: str) -> None:
    [entry] = [entry for entry in ENTRIES if entry.name == name]
    assert command(name).short_help == entry.help
    assert command(name).name == name


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"serve", "demo", "completion", "config", "audit"}))
def test_every_command_speaks_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in command(name).params)


def test_help_is_quick_because_it_imports_no_command() -> None:
    source = (
        "import sys; from portero.cli.root import run; code = run(['--help']);"
        "print([name for name in ('redis', 'rich', 'litestar', 'mcp', 'structlog') if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[] 0\n")


def test_a_command_does_not_import_what_only_a_gateway_needs() -> None:
    source = (
        "import sys, portero.cli.commands.decide;"
        "print([name for name in ('litestar', 'uvicorn', 'mcp', 'aiogram', 'portero.app') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_place_where_nothing_has_run_is_left_as_it_is(own: Home) -> None:
    for name in ("pending", "status", "rules", "approve"):
        ran = own.run(name, *(["abcdefgh"] if name == "approve" else []))
        assert ran.code == 1
        assert "no gateway has run here" in ran.err
    assert list(own.folder.iterdir()) == []


def test_wrong_settings_of_the_store_are_told_and_others_do_not_matter(home: Home) -> None:
    assert home.run("pending", environment={"PORT": "many"}).code == 0
    wrong = home.run("pending", environment={"PORTERO_NAME": "a b", "PORTERO_FSYNC": "never"})
    assert wrong.code == 1
    assert wrong.err.count("\n") == 2


def test_the_dotenv_file_of_the_folder_counts(home: Home) -> None:
    home.ask()
    assert home.place is not None
    (home.folder / ".env").write_text(f"REDIS_URL={home.place.url}\nPORTERO_NAME={home.place.name}\n")
    bare = Home(home.folder)
    assert bare.run("pending", "--json").json["count"] == 1


def test_a_reader_that_has_seen_enough_ends_it_quietly(home: Home) -> None:
    home.ask()
    with home.start("tasks") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_terminal_of_another_encoding_is_no_reason_to_crash(home: Home) -> None:
    home.ask(arguments='{"subject":"OK ✓"}')
    ran = home.run_whole("pending", environment={"PYTHONIOENCODING": "latin-1"})
    assert ran.code == 0
    assert "OK \\u2713" in ran.out
