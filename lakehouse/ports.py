"""Ports of 127.0.0.1 for the two local servers."""

import random
import socket

from lakehouse.errors import CryptoError

# Below the ports that systems hand out to outgoing connections.
PORTS = range(20_000, 30_000)
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Return whether a server can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of 127.0.0.1 that no program listens on; CryptoError if none is found."""
    for port in random.sample(PORTS, ATTEMPTS):
        if is_free(port):
            return port
    raise CryptoError("No port of 127.0.0.1 is free; close some servers, or set DB_ENDPOINT to a server of your own.")
