"""Claude Code itself, of the version that is pinned here, against Portero. ``make claude`` runs it.

It is 190 MB to get and 400 MB unpacked. The suite types the line of the README too, with a stand-in for ``claude``.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.claude.model import Block, calls, says, thinking
from tests.claude.program import QUIET, Claude, program
from tests.clients.tap import Tap
from tests.clients.world import FAKE_MAIL, FAKE_NAME, MAIL, NAME, World, open_world
from tests.packaging import readme
from tests.packaging.test_readme import Checkout, checkout  # noqa: F401 - a fixture
from tests.system.place import TOKEN, wait_until
from tests.system.reals import forms

BEARER = f"Authorization: Bearer {TOKEN}"
CONNECTED = "✔ Connected"
CAPABILITIES, TASKS_EXTENSION = "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/tasks"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


@pytest.fixture
def tap(world: World) -> Iterator[Tap]:
    with Tap(world.place.port) as tap:
        yield tap


@pytest.fixture
def claude(tmp_path: Path) -> Claude:
    return Claude(tmp_path)


def methods(tap: Tap) -> list[str]:
    return [asked.message["method"] for asked in tap.asked() if asked.message and "method" in asked.message]


# --- the line of the README -----------------------------------------------------------------------------------------


def test_the_line_of_the_readme_connects(checkout: Checkout) -> None:  # noqa: F811
    """Typed as it stands, and then asked."""
    claude = Claude(checkout.folder)
    (checkout.folder / "claude").symlink_to(program())
    quiet = "".join(f"export {name}=1\n" for name in QUIET)
    assert "Added HTTP MCP server portero" in checkout.sh(quiet + readme.block("run: connect"))
    assert f"portero: http://127.0.0.1:{checkout.port}/mcp (HTTP) - {CONNECTED}" in claude.run("mcp", "list")
    assert CONNECTED in claude.run("mcp", "get", "portero")


@pytest.mark.parametrize("path", ["/mcp", "/mcp/message"])
def test_it_connects_in_the_newer_era_and_listens(tap: Tap, claude: Claude, path: str) -> None:
    claude.add(tap.url + path, BEARER)
    assert CONNECTED in claude.run("mcp", "list")
    asked = tap.asked()
    assert methods(tap) == ["server/discover", "subscriptions/listen", "tools/list"]
    for one in asked:
        assert (one.method, one.path) == ("POST", path)
        assert one.headers["mcp-protocol-version"] == "2026-07-28"
        assert one.headers["mcp-method"] == one.message["method"]


def test_a_wrong_token_is_told_and_no_sign_in_is_tried(tap: Tap, claude: Claude) -> None:
    claude.add(tap.url + "/mcp", "Authorization: Bearer wrong")
    said = claude.run("mcp", "list")
    assert "Failed to connect" in said
    assert "Check it against BEARER_TOKEN or config/clients.json" in said
    assert {one.method for one in tap.asked()} == {"POST"}
    assert methods(tap) == ["server/discover", "initialize"], "after the newer era it tries the older one"


def test_without_a_token_it_looks_for_a_sign_in_and_is_told(tap: Tap, claude: Claude) -> None:
    claude.add(tap.url + "/mcp")
    said = claude.run("mcp", "list")
    assert CONNECTED not in said
    paths = {one.path for one in tap.asked() if one.method == "GET"}
    assert "/.well-known/oauth-protected-resource/mcp" in paths
    assert "Authorization: Bearer" in said, said


# --- work -----------------------------------------------------------------------------------------------------------


def test_it_calls_and_its_model_sees_fakes_only(world: World, tap: Tap, claude: Claude) -> None:
    def speaks(result: str | None) -> Block:
        return calls("mcp__portero__old_echo", text=f"for {FAKE_NAME}") if result is None else says(f"heard: {result}")

    claude.add(tap.url + "/mcp", BEARER)
    with thinking(speaks) as model:
        assert f"heard: for {FAKE_NAME}" in claude.asks(model, "mcp__portero__old_echo")
    assert f"echo for {NAME}" in world.effects()
    assert FAKE_NAME.encode() in model.heard
    for real in (NAME, MAIL):
        for form in forms(real):
            assert form not in tap.answered()
            assert form not in model.heard
    (call,) = [one for one in tap.asked() if one.message["method"] == "tools/call"]
    assert call.headers["mcp-name"] == "old/echo", "the slash is the model's underscore, and comes back as a slash"
    assert "progressToken" in call.message["params"]["_meta"]


def test_it_works_through_an_approval(world: World, tap: Tap, claude: Claude) -> None:
    """A headless one declares no tasks: the model gets the pending answer, looks after its task, and has the result."""

    def speaks(result: str | None) -> Block:
        if result is None:
            return calls("mcp__portero__new_sign", text="by Claude")
        if "pending-approval" in result:
            task = json.loads(result)["task_id"]
            return calls("mcp__portero__portero_check_task", task_id=task, wait_seconds=25)
        return says(f"signed: {result}")

    before = world.pending()
    claude.add(tap.url + "/mcp", BEARER)
    with thinking(speaks) as model, ThreadPoolExecutor() as pool:
        allowed = ("mcp__portero__new_sign", "mcp__portero__portero_check_task")
        conversation = pool.submit(claude.asks, model, *allowed)
        world.decide("approve", world.new_task(before))
        said = conversation.result()
    assert json.loads(said.partition("signed: ")[2]) == {"signed": "by Claude", "by": FAKE_NAME}
    assert world.effects().count("sign by Claude") == 1


def test_in_a_terminal_an_approval_is_a_task(world: World, tap: Tap, claude: Claude) -> None:
    """An interactive one declares tasks: its model goes on meanwhile, and is told of the result once there is one."""
    told: list[str] = []

    def speaks(result: str | None) -> Block:
        if result is None:
            return calls("mcp__portero__new_sign", text="in a terminal")
        told.append(result)
        return says("thank you")

    before = world.pending()
    claude.add(tap.url + "/mcp", BEARER)
    with thinking(speaks) as model, claude.sitting(model, "do as you are told", "mcp__portero__new_sign"):
        task = world.new_task(before)
        wait_until(lambda: told, "its model goes on")
        assert f'"portero/new/sign" started server-side task {task}' in told[0]
        world.decide("approve", task)
        result = json.dumps(json.dumps({"signed": "in a terminal", "by": FAKE_NAME}, separators=(",", ":")))[1:-1]
        wait_until(lambda: result.encode() in model.heard, "its model is told of the result")
    (call,) = [one for one in tap.asked() if one.message["method"] == "tools/call"]
    assert TASKS_EXTENSION in call.message["params"]["_meta"][CAPABILITIES]["extensions"]


def test_it_tells_its_model_of_a_denial(world: World, tap: Tap, claude: Claude) -> None:
    def speaks(result: str | None) -> Block:
        return calls("mcp__portero__portero_call", tool="old/shred", args={}) if result is None else says(result)

    claude.add(tap.url + "/mcp", BEARER)
    with thinking(speaks) as model:
        assert "the policy for */shred denies it" in claude.asks(model, "mcp__portero__portero_call")
    assert "shred" not in world.effects()


def test_it_takes_structured_content_that_was_replaced(tap: Tap, claude: Claude) -> None:
    """It checks results against the schema that it was shown."""

    def speaks(result: str | None) -> Block:
        return calls("mcp__portero__new_card") if result is None else says(f"card: {result}")

    claude.add(tap.url + "/mcp", BEARER)
    with thinking(speaks) as model:
        said = claude.asks(model, "mcp__portero__new_card")
    assert FAKE_MAIL in said
    assert "card: " in said
