"""Until when a certificate is valid: asked by a handshake in memory, for the standard library reads it no other way."""

import ssl
import time
from pathlib import Path
from typing import Final

DAY_SECONDS: Final = 86_400
ROUNDS: Final = 10
EXPIRED: Final = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""


def days_left(certificate: Path, key: Path) -> int | None:
    """Whole days; -1 where it has expired; None where it cannot be told."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is itself what is trusted here, whoever signed it
    client_context.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server)
    try:
        for _ in range(ROUNDS):
            if _step(client) and _step(server):
                break
            _step(server)
    except ssl.SSLCertVerificationError as error:
        return -1 if error.verify_code == EXPIRED else None
    except ssl.SSLError:
        return None
    ends = (client.getpeercert() or {}).get("notAfter")
    return int((ssl.cert_time_to_seconds(ends) - time.time()) // DAY_SECONDS) if isinstance(ends, str) else None


def _step(side: ssl.SSLObject) -> bool:
    """One move of a handshake; whether it is done."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
