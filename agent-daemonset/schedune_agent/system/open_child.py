"""Open a device where VMs run, and hand it over open.

Runs as a child (standard library only) in the place of VMs: ``open_child.py DEVICE``, with a
socket as its standard output. Through it goes the open device, or the number of the error.
"""

import os
import socket
import sys


def main() -> None:
    """Answer once."""
    door = socket.socket(fileno=sys.stdout.fileno())
    try:
        device = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        door.send(str(error.errno).encode())
    else:
        socket.send_fds(door, [b"0"], [device])


if __name__ == "__main__":
    main()
