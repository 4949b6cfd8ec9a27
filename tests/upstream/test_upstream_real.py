"""Real servers: from npm and PyPI, as people run them."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from portero.settings import UpstreamConfig
from portero.upstream import Notification, ServerRequest, State
from tests.servers import real
from tests.upstream.running import running, until


def node(name: str, package: str, *args: str, **more: Any) -> UpstreamConfig:
    command, *arguments = real.node(package, *args)
    return UpstreamConfig(name, command, tuple(arguments), **more)


def python(name: str, module: str, *args: str) -> UpstreamConfig:
    command, *arguments = real.python(module, *args)
    return UpstreamConfig(name, command, tuple(arguments))


async def test_everything_answers_with_all_its_kinds_of_content() -> None:
    reports: list[bytes] = []
    notes: list[Notification] = []
    config = node("everything", "@modelcontextprotocol/server-everything")
    async with running(config, on_notification=notes.append) as upstreams:
        status = upstreams.of("everything")
        assert (status.state, status.protocol) == (State.CONNECTED, "2025-11-25")
        assert status.tools >= 10
        assert min(status.resources, status.templates, status.prompts) > 0
        assert await upstreams.said("everything", "echo", {"message": "hällo"}) == "Echo: hällo"
        assert "5" in await upstreams.said("everything", "get-sum", {"a": 2, "b": 3})
        image = await upstreams.call("everything", "get-tiny-image")
        assert "image" in [item["type"] for item in image["content"]]
        structured = await upstreams.call("everything", "get-structured-content", {"location": "Chicago"})
        assert structured["structuredContent"]
        tool = upstreams.catalogue.resolve("everything/get-structured-content")
        assert tool is not None
        assert tool.has_output_schema
        seen = json.loads(await upstreams.said("everything", "get-env"))
        assert "PYTEST_CURRENT_TEST" not in seen
        arguments = {"duration": 0.5, "steps": 5}
        assert "completed" in await upstreams.said(
            "everything", "trigger-long-running-operation", arguments, on_progress=reports.append
        )
        assert [json.loads(report)["progress"] for report in reports] == [1, 2, 3, 4, 5]
        read = await upstreams.request(
            "everything", "resources/read", json.dumps({"uri": upstreams.catalogue.resources[0].uri}).encode()
        )
        assert json.loads(read)["contents"]
        results = await asyncio.gather(
            *(upstreams.said("everything", "echo", {"message": str(number)}) for number in range(64))
        )
        assert results == [f"Echo: {number}" for number in range(64)]


async def test_everything_can_ask_its_client() -> None:
    """What it asks goes to the hook where there is one; it registers those tools only for clients that can answer."""
    asked: list[ServerRequest] = []

    async def answer(request: ServerRequest) -> bytes:
        asked.append(request)
        if request.method == "roots/list":
            return b'{"roots":[]}'
        content = {"type": "text", "text": "sampled"}
        return json.dumps(
            {"role": "assistant", "content": content, "model": "made-up", "stopReason": "endTurn"}
        ).encode()

    config = node("everything", "@modelcontextprotocol/server-everything")
    async with running(config, on_request=answer, capabilities=b'{"sampling":{},"roots":{}}') as upstreams:
        await until(lambda: upstreams.catalogue.resolve("everything/trigger-sampling-request"), "the tool is offered")
        said = await upstreams.said(
            "everything", "trigger-sampling-request", {"prompt": "?", "maxTokens": 5}, context="c"
        )
        assert "sampled" in said
    sampling = next(request for request in asked if request.method == "sampling/createMessage")
    assert sampling.contexts == ("c",)


async def test_filesystem_reads_and_writes_and_refuses_what_is_outside(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    async with running(node("files", "@modelcontextprotocol/server-filesystem", str(inside))) as upstreams:
        await upstreams.said("files", "write_file", {"path": str(inside / "a.txt"), "content": "wörld"})
        assert (inside / "a.txt").read_text() == "wörld"
        assert await upstreams.said("files", "read_text_file", {"path": str(inside / "a.txt")}) == "wörld"
        result = await upstreams.call("files", "read_text_file", {"path": "/etc/hostname"})
        assert result["isError"] is True


async def test_memory_and_thinking_answer(tmp_path: Path) -> None:
    memory = node(
        "memory", "@modelcontextprotocol/server-memory", env={"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    )
    thinking = node("thinking", "@modelcontextprotocol/server-sequential-thinking")
    async with running(memory, thinking) as upstreams:
        entity = {"name": "Ada", "entityType": "person", "observations": ["likes engines"]}
        await upstreams.call("memory", "create_entities", {"entities": [entity]})
        assert "likes engines" in await upstreams.said("memory", "read_graph")
        assert "Ada" in (tmp_path / "memory.jsonl").read_text()
        assert upstreams.catalogue.resolve("thinking__sequentialthinking") is not None


async def test_time_and_git_answer_in_the_modern_era(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # noqa: ASYNC221 - before anything runs
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)  # noqa: ASYNC221
    async with running(python("time", "mcp_server_time"), python("git", "mcp_server_git")) as upstreams:
        times = json.loads(
            await upstreams.said(
                "time",
                "convert_time",
                {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Europe/Zurich"},
            )
        )
        assert times["time_difference"] in ("+1.0h", "+2.0h")
        assert "first" in await upstreams.said("git", "git_log", {"repo_path": str(tmp_path)})
        assert {upstreams.of(name).protocol for name in ("time", "git")} == {"2026-07-28"}


async def test_notion_and_stripe_list_their_tools_without_an_account() -> None:
    notion = node("notion", "@notionhq/notion-mcp-server", env={"NOTION_TOKEN": "ntn_" + "made-up-token"})
    stripe = node("stripe", "@stripe/mcp", "--tools=all", "--api-key=" + "sk_test_" + "madeup123456")
    with capture_logs() as logs:
        async with running(notion, stripe) as upstreams:
            assert upstreams.catalogue.resolve("notion/API-post-search") is not None
            assert upstreams.catalogue.resolve("stripe/create_refund") is not None
            found = [tool.canonical for tool in upstreams.catalogue.search("refund a payment")]
            assert found[0] == "stripe/create_refund"
    assert "made-up-token" not in str(logs)
