"""The HTTP side: MCP for clients, in both eras, and what operators look at."""
