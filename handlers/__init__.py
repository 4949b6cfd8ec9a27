"""The write side: a request or an event becomes a command, is decided, and is appended."""
