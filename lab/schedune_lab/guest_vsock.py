"""A listener on vsock for the lab's guest: 211 bytes of machine code, since busybox has none.

``vsock-listen PROGRAM ARGUMENT...`` listens on port 1024 and runs the program for each
connection, which is its standard input and output. It is written by hand so that the lab
needs no compiler, and for amd64 only, where the VMMs are that need it. In C it reads::

    int s = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (bind(s, &address, 16) < 0) exit(1);
    listen(s, 8);
    for (;;) {
        wait4(-1, 0, WNOHANG, 0);
        int c = accept(s, 0, 0);
        if (c < 0) exit(1);
        if (fork()) { close(c); continue; }
        dup2(c, 0); dup2(c, 1);
        execve(argv[1], argv + 1, environ);
        exit(1);
    }
"""

import struct
from typing import Final

_CODE: Final = bytes.fromhex(
    # argc, argv + 1 and environ from the stack; socket(40, 1, 0)
    "488b1c24 4c8d6c2410 4c8d74dc10 b829000000 bf28000000 be01000000 31d2 0f05 4189c4"
    # bind(s, the address at the end, 16), else exit; listen(s, 8)
    "b831000000 4489e7 488d3590000000 ba10000000 0f05 85c0 7879 b832000000 4489e7 be08000000 0f05"
    # wait4(-1, 0, WNOHANG, 0); accept(s, 0, 0), else exit
    "b83d000000 bfffffffff 31f6 ba01000000 4531d2 0f05 b82b000000 4489e7 31f6 31d2 0f05 85c0 7842"
    # fork(); the parent: close(c) and again
    "89c5 b839000000 0f05 85c0 740b b803000000 89ef 0f05 ebc0"
    # the child: dup2(c, 0), dup2(c, 1), execve
    "b821000000 89ef 31f6 0f05 b821000000 89ef be01000000 0f05"
    "b83b000000 498b7d00 4c89ee 4c89f2 0f05"
    # and where all of them fail to: exit with 1
    "b83c000000 bf01000000 0f05"
)
_PORT: Final = 1024
_ADDRESS: Final = struct.pack("<HHIII", 40, 0, _PORT, 0xFFFFFFFF, 0)
"""A sockaddr_vm: any of the guest's own addresses."""
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56


def vsock_listener() -> bytes:
    """Return the program: an ELF file of one segment."""
    code = _CODE + _ADDRESS
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    executable, amd64, readable_and_executable = 2, 62, 5
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identity, executable, amd64, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    size = _HEADERS + len(code)
    segment = struct.pack(
        "<IIQQQQQQ", 1, readable_and_executable, 0, _BASE, _BASE, size, size, 4096
    )
    return header + segment + code
