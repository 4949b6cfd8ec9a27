"""Real MCP servers, as commands: from npm and PyPI, of the versions that the locks name, all without an account."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import attrs

HERE = Path(__file__).parent
NODE = HERE.parent / "node" / "node_modules"
HEAVY = HERE.parents[1] / ".tools" / "servers" / "bin"
"""An environment of their own, for servers that bring much; ``make test`` makes it."""


def node(package: str, *args: str) -> list[str]:
    manifest = json.loads((NODE / package / "package.json").read_text())
    start = manifest["bin"] if isinstance(manifest["bin"], str) else next(iter(manifest["bin"].values()))
    return [shutil.which("node") or "node", str(NODE / package / start), *args]


def python(module: str, *args: str) -> list[str]:
    return [sys.executable, "-m", module, *args]


@attrs.frozen
class Real:
    """``tools``: whose rows in ``tests/data/upstream-tools.tsv`` are its tools, all of them or among others."""

    command: list[str]
    env: dict[str, str] = attrs.field(factory=dict)
    others: bool = False
    """The table also knows tools of other editions of this server."""


def real_servers(folder: Path) -> dict[str, Real]:
    """Every server by its name in the default configuration or in the table. ``folder`` is what they may touch."""
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "UV_OFFLINE": "1"}
    google = {"GOOGLE_OAUTH_CLIENT_ID": "made-up", "GOOGLE_OAUTH_CLIENT_SECRET": "made-up"}
    heavy: Any = lambda program, *args: [str(HEAVY / program), *args]  # noqa: E731
    return {
        "everything": Real(node("@modelcontextprotocol/server-everything")),
        "filesystem": Real(node("@modelcontextprotocol/server-filesystem", str(folder))),
        "memory": Real(node("@modelcontextprotocol/server-memory"), {"MEMORY_FILE_PATH": str(folder / "memory")}),
        "sequential-thinking": Real(node("@modelcontextprotocol/server-sequential-thinking")),
        "notion": Real(node("@notionhq/notion-mcp-server"), {"NOTION_TOKEN": "ntn_" + "made-up-token"}),
        "stripe": Real(node("@stripe/mcp", "--tools=all", "--api-key=" + "sk_test_" + "madeup123456")),
        "time": Real(python("mcp_server_time")),
        "git": Real(python("mcp_server_git")),
        "fetch": Real(heavy("mcp-server-fetch")),
        "github": Real(
            heavy("github-mcp-server", "stdio"), {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_" + "madeup"}, others=True
        ),
        "google": Real(heavy("workspace-mcp"), {**google, **home}),
    }
