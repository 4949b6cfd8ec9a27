"""How a real value is looked for in bytes."""

import base64
import json
from urllib.parse import quote


def forms(value: str) -> set[bytes]:
    """A value as it may stand in a file: as it is, escaped, in other encodings."""
    escaped = json.dumps(value)[1:-1]
    texts = {value, value.lower(), value.upper(), escaped, json.dumps(escaped)[1:-1], quote(value)}
    return {text.encode() for text in texts} | {base64.b64encode(value.encode()).rstrip(b"=")}
