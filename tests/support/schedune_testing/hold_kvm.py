"""Keep one VM in a nested machine, with nothing in it, until killed.

With its first VM and after its last one a kernel patches its own scheduler, and under
emulation another processor may then die of an int3 that it meets there. With one VM always
there it never does.
"""

import fcntl
import os
import signal

_CREATE_VM = 0xAE01

if __name__ == "__main__":
    vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), _CREATE_VM, 0)
    signal.pause()
