"""Free ports on loopback."""

import socket


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, all held until the last is known."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
