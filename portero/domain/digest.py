"""What a person approves, as one digest: execution computes it again, and runs nothing else."""

import hashlib


def digest_of(*parts: str | None) -> str:
    """SHA-256, hex, over the parts with their lengths, so that no two lists of parts look the same; None is not ''."""
    sha = hashlib.sha256()
    for part in parts:
        data = b"" if part is None else part.encode("utf-8", "surrogatepass")
        sha.update(b"-" if part is None else b"%d:" % len(data))
        sha.update(data)
    return sha.hexdigest()


def call_digest(tool: str, arguments: str, extra: str | None, definition: str, replacements: str) -> str:
    """Over the policy name, arguments and other params as stored (fakes), and the digests of definition and table.

    Both are given whole, wherever they are kept."""
    return digest_of("call", tool, arguments, extra, definition, replacements)
