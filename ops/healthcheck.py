"""Whether the gateway of this container is alive: exit 0 when it answers GET /health, by HTTPS where that is set up."""

import os
import ssl
import sys
import urllib.request

PORT = os.environ.get("PORT", "8443")
SCHEME = "https" if os.environ.get("SSL_CERT_PATH") else "http"

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE  # the certificate is for the name that clients use, not for the loopback address

try:
    answer = urllib.request.urlopen(f"{SCHEME}://127.0.0.1:{PORT}/health", timeout=3, context=context)  # noqa: S310 - http(s) only
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.exit(0 if answer.status == 200 else 1)
