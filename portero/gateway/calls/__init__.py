"""Calls on upstreams and all that may become of them: an answer, a question to the client, a task."""
