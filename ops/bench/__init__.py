"""The bench: tools/call through Portero, through FastMCP's proxy and straight to the same upstream, in one run."""
