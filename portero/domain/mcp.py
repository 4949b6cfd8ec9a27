"""Words of the Model Context Protocol that more than one layer says.

The SDK has them too; to import it takes 0.8 s, most of a start, so it is left to those who need more of it than words.
"""

from typing import Final

MODERN_VERSIONS: Final = ("2026-07-28",)
"""Versions in which every request carries its own envelope, oldest first."""
HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Versions that begin with ``initialize``, oldest first."""
SUPPORTED_VERSIONS: Final = (*reversed(MODERN_VERSIONS), *reversed(HANDSHAKE_VERSIONS))
"""Newest first."""

NAME_MEMBERS: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""By method: the member of the params that says what it is about."""
TASK_METHODS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
"""The same member of all of these is ``taskId``."""

TOOLS_CHANGED: Final = "notifications/tools/list_changed"
PROMPTS_CHANGED: Final = "notifications/prompts/list_changed"
RESOURCES_CHANGED: Final = "notifications/resources/list_changed"
UPDATED: Final = "notifications/resources/updated"
TASK: Final = "notifications/tasks"
MESSAGE: Final = "notifications/message"

RESERVED_META: Final = "io.modelcontextprotocol/"
"""What begins so in a ``_meta`` is the protocol's own."""
PROTOCOL_VERSION_META: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_META: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES_META: Final = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO_META: Final = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_ID_META: Final = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL_META: Final = "io.modelcontextprotocol/logLevel"
LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From what is least severe on."""
TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
KNOWS_TASKS: Final = b'{"extensions":{"io.modelcontextprotocol/tasks":{}}}'
"""What a client declares that knows that extension."""


def unsupported_version_data(requested: object) -> dict[str, object]:
    """What the error says of a request for a version that is not supported."""
    return {"supported": list(SUPPORTED_VERSIONS), "requested": requested}
