"""The protocol's words are those that its SDK knows."""

import mcp_types as sdk
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from portero.domain import mcp


def test_the_versions_are_those_of_the_sdk() -> None:
    assert mcp.MODERN_VERSIONS == MODERN_PROTOCOL_VERSIONS
    assert mcp.HANDSHAKE_VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS


def test_the_keys_are_those_of_the_sdk() -> None:
    assert mcp.PROTOCOL_VERSION_META == sdk.PROTOCOL_VERSION_META_KEY
    assert mcp.CLIENT_INFO_META == sdk.CLIENT_INFO_META_KEY
    assert mcp.CLIENT_CAPABILITIES_META == sdk.CLIENT_CAPABILITIES_META_KEY
    assert mcp.SERVER_INFO_META == sdk.SERVER_INFO_META_KEY
    assert mcp.SUBSCRIPTION_ID_META == SUBSCRIPTION_ID_META_KEY
    assert mcp.LOG_LEVEL_META == sdk.LOG_LEVEL_META_KEY
