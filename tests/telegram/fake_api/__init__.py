"""A Bot API server for tests: strict as the real one, over HTTP, with people who tap and type, and faults on demand."""
