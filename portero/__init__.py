"""Portero: a gateway between AI clients and MCP servers that asks before it acts."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("portero")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
