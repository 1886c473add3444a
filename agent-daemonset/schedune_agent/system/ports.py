"""Ports of this machine: is one free to be listened on, now?"""

import errno
import socket
from typing import Final

_KINDS: Final = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def objection_to_listening(protocol: str, address: str, port: int) -> str | None:
    """Say why nobody new can listen there; None: it is free.

    It is asked by taking the port for a moment, as a VMM does later.
    """
    kind = _KINDS[protocol]
    with socket.socket(socket.AF_INET, kind) as trial:
        if kind is socket.SOCK_STREAM:
            # A connection that has ended keeps no VMM from the port.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "some program of the node"
            return f"nobody, but: {error.strerror}"
    return None
