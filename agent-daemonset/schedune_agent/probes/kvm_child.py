"""The strong KVM probe: run a tiny guest and look whether it did what it must.

Run as a program of its own (``python3 -S kvm_child.py [DEVICE]``), with nothing but
the standard library: KVM_RUN may never return, and only SIGKILL ends it then. Prints
one JSON object when the device is open (``maxVcpus``, ``vmTypes``), so that one that
opens is told from one that boots, and a last one with ``verdict``, ``detail`` and,
where the guest ran, ``milliseconds``.

Opening the device, making a VM and even a real-mode guest prove nothing: a device
that cannot boot a kernel passes them all. The x86 guest uses long mode with paging
(the MMU), SSE2 (which mere instruction emulators lack) and an interrupt through its
own IDT. Addresses, numbers and machine code: reference/runtimes.md 5.1, measured.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import struct
import sys
import time

GET_API_VERSION, CREATE_VM, CHECK_EXTENSION, VCPU_MMAP_SIZE, CREATE_VCPU = (
    0xAE00,
    0xAE01,
    0xAE03,
    0xAE04,
    0xAE41,
)
SET_USER_MEMORY_REGION, SET_TSS_ADDR, SET_IDENTITY_MAP_ADDR, RUN = (
    0x4020AE46,
    0xAE47,
    0x4008AE48,
    0xAE80,
)
SET_REGS, GET_SREGS, SET_SREGS = 0x4090AE82, 0x8138AE83, 0x4138AE84
GET_SUPPORTED_CPUID, SET_CPUID2 = 0xC008AE05, 0x4008AE90
MOST_CPUID_ENTRIES = 256
CPUID_ENTRY_SIZE = 40
ARM_VCPU_INIT, ARM_PREFERRED_TARGET, SET_ONE_REG = 0x4020AEAE, 0x8020AEAF, 0x4010AEAC
CAP_MAX_VCPUS, CAP_ARM_IPA_SIZE, CAP_VM_TYPES = 66, 165, 235
ARM_REG_PC = 0x6030000000100040
EXIT_IO, EXIT_HLT, EXIT_MMIO, EXIT_INTERNAL_ERROR = 2, 5, 6, 17
MEMORY_SIZE = 2 << 20
ARM_BASE = 0x40000000
ARM_UNMAPPED = 0x10000000
ANSWER = 42

X86_CODE = bytes.fromhex(
    "b815000000 660f6ec0 660ffec0 660f7ec0"  # eax = 21 doubled by SSE2
    "b9204e0000 ffc9 75fc"  # a loop of 20 000: execution or interpretation
    "0f01142500500000 0f011c2510500000 cc"  # lgdt, lidt, int3
    "f4"
)
X86_HANDLER = bytes.fromhex("baf8030000 ee 89042500800000 f4")  # out 0x3f8; store; hlt
ARM_CODE = struct.pack(
    "<7I", 0xD2A20000, 0x5289C402, 0x71000442, 0x54FFFFE1, 0x52800541, 0xB9000001, 0x14000000
)


class Verdict(Exception):  # noqa: N818 - the outcome, not an error
    """Ends the probe with an answer."""

    def __init__(self, verdict: str, detail: str, milliseconds: "int | None" = None) -> None:
        super().__init__(verdict)
        self.answer: dict[str, object] = {
            "verdict": verdict,
            "detail": detail,
            "milliseconds": milliseconds,
        }


def tell(answer: "dict[str, object]") -> None:
    """Print one line at once: the next call may be the last."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def ask_extension(kvm: int, number: int) -> "int | None":
    """Return what KVM says of an extension; None: nothing."""
    try:
        return fcntl.ioctl(kvm, CHECK_EXTENSION, number)
    except OSError:
        return None


def open_device(path: str) -> int:
    """Open the device, telling absent from denied."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
            raise Verdict("absent", f"{path}: {name}") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Verdict("denied", f"{path}: {name}") from error
        raise


def make_vm(kvm: int, machine: str) -> int:
    """Make a VM; on arm64 with as many address bits as the host has, at most 40."""
    kind = 0
    if machine == "aarch64":
        bits = fcntl.ioctl(kvm, CHECK_EXTENSION, CAP_ARM_IPA_SIZE)
        kind = min(bits, 40) if bits else 0
    for attempt in range(5):
        try:
            return fcntl.ioctl(kvm, CREATE_VM, kind)
        except InterruptedError:
            if attempt == 4:
                raise
    raise Verdict("error", "KVM_CREATE_VM was interrupted five times")


def fill_x86(memory: mmap.mmap) -> None:
    """Lay out code, page tables, GDT and IDT."""
    memory[0x1000 : 0x1000 + len(X86_CODE)] = X86_CODE
    memory[0x1800 : 0x1800 + len(X86_HANDLER)] = X86_HANDLER
    for address, entry in ((0x2000, 0x3003), (0x3000, 0x4003), (0x4000, 0x83)):
        memory[address : address + 8] = struct.pack("<Q", entry)
    memory[0x5000:0x500A] = struct.pack("<HQ", 0x17, 0x5100)
    memory[0x5010:0x501A] = struct.pack("<HQ", 0x1FF, 0x6000)
    memory[0x5100:0x5118] = struct.pack("<QQQ", 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF)
    gate = struct.pack("<HHBBHII", 0x1800, 8, 0, 0x8E, 0, 0, 0)
    memory[0x6000 : 0x6000 + 32 * 16] = gate * 32


def segment(selector: int, kind: int, long_mode: int, default_size: int) -> bytes:
    """Return one segment register, present and flat."""
    return struct.pack(
        "<QIHBBBBBBBBBB",
        0,
        0xFFFFFFFF,
        selector,
        kind,
        1,
        0,
        default_size,
        1,
        long_mode,
        1,
        0,
        0,
        0,
    )


def describe_x86(kvm: int, vcpu: int) -> None:
    """Give the virtual CPU all that the host can: Linux 6.12 takes no page table before that."""
    table = bytearray(8 + MOST_CPUID_ENTRIES * CPUID_ENTRY_SIZE)
    struct.pack_into("<I", table, 0, MOST_CPUID_ENTRIES)
    fcntl.ioctl(kvm, GET_SUPPORTED_CPUID, table)
    fcntl.ioctl(vcpu, SET_CPUID2, table)


def start_x86(vcpu: int) -> None:
    """Put the virtual CPU into long mode at 0x1000."""
    special = bytearray(312)
    fcntl.ioctl(vcpu, GET_SREGS, special)
    special[0:24] = segment(8, 11, 1, 0)
    for index in range(1, 6):
        special[24 * index : 24 * index + 24] = segment(16, 3, 0, 1)
    struct.pack_into("<QH", special, 192, 0x5100, 0x17)
    struct.pack_into("<QH", special, 208, 0x6000, 0x1FF)
    struct.pack_into("<QQQQQQ", special, 224, 0x80050033, 0, 0x2000, 0x620, 0, 0x500)
    fcntl.ioctl(vcpu, SET_SREGS, special)
    general = bytearray(144)
    struct.pack_into("<Q", general, 48, 0x7FF0)
    struct.pack_into("<QQ", general, 128, 0x1000, 2)
    fcntl.ioctl(vcpu, SET_REGS, general)


def start_arm(vm: int, vcpu: int) -> None:
    """Initialise the virtual CPU and set its program counter."""
    target = bytearray(32)
    fcntl.ioctl(vm, ARM_PREFERRED_TARGET, target)
    fcntl.ioctl(vcpu, ARM_VCPU_INIT, target)
    counter = ctypes.c_uint64(ARM_BASE)
    fcntl.ioctl(vcpu, SET_ONE_REG, struct.pack("<QQ", ARM_REG_PC, ctypes.addressof(counter)))


def run(vcpu: int, area: mmap.mmap) -> int:
    """Run until the guest exits; return why."""
    fcntl.ioctl(vcpu, RUN, 0)
    (why,) = struct.unpack_from("<I", area, 8)
    if why == EXIT_INTERNAL_ERROR:
        (suberror,) = struct.unpack_from("<I", area, 32)
        verdict = "emulated" if suberror == 1 else "no-run"
        raise Verdict(verdict, f"KVM_EXIT_INTERNAL_ERROR, suberror {suberror}")
    return int(why)


def judge_x86(vcpu: int, area: mmap.mmap, memory: mmap.mmap) -> None:
    """Expect a byte on port 0x3f8, then a halt, and the answer in memory."""
    first = run(vcpu, area)
    if first != EXIT_IO:
        raise Verdict("no-run", f"first exit {first}, expected {EXIT_IO}")
    (port,) = struct.unpack_from("<H", area, 34)
    byte = area[struct.unpack_from("<Q", area, 40)[0]]
    second = run(vcpu, area)
    seen = (port, byte, second, memory[0x8000])
    if seen != (0x3F8, ANSWER, EXIT_HLT, ANSWER):
        raise Verdict("no-run", f"port, byte, exit and memory are {seen}")


def judge_arm(vcpu: int, area: mmap.mmap) -> None:
    """Expect one write of the answer to an unmapped address."""
    why = run(vcpu, area)
    (address,) = struct.unpack_from("<Q", area, 32)
    length, write = struct.unpack_from("<IB", area, 48)
    if (why, address, area[40], length, write) != (EXIT_MMIO, ARM_UNMAPPED, ANSWER, 4, 1):
        raise Verdict("no-run", f"exit {why} at {address:#x}")


def probe(path: str) -> None:
    """Run the guest; always ends with a Verdict or an OSError."""
    machine = platform.machine()
    kvm = open_device(path)
    version = fcntl.ioctl(kvm, GET_API_VERSION, 0)
    most, types = ask_extension(kvm, CAP_MAX_VCPUS), ask_extension(kvm, CAP_VM_TYPES)
    tell({"maxVcpus": most, "vmTypes": types})
    if version != 12 or machine not in ("x86_64", "aarch64"):
        raise Verdict("unsupported", f"API version {version} on {machine}")
    vm = make_vm(kvm, machine)
    memory = mmap.mmap(-1, MEMORY_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    base = 0 if machine == "x86_64" else ARM_BASE
    if machine == "x86_64":
        fcntl.ioctl(vm, SET_TSS_ADDR, 0x7FFBD000)
        fcntl.ioctl(vm, SET_IDENTITY_MAP_ADDR, struct.pack("<Q", 0x7FFBC000))
        fill_x86(memory)
    else:
        memory[0 : len(ARM_CODE)] = ARM_CODE
    fcntl.ioctl(vm, SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, base, MEMORY_SIZE, address))
    vcpu = fcntl.ioctl(vm, CREATE_VCPU, 0)
    area = mmap.mmap(vcpu, fcntl.ioctl(kvm, VCPU_MMAP_SIZE, 0), flags=mmap.MAP_SHARED)
    started = time.monotonic()
    if machine == "x86_64":
        describe_x86(kvm, vcpu)
        start_x86(vcpu)
        judge_x86(vcpu, area, memory)
    else:
        start_arm(vm, vcpu)
        judge_arm(vcpu, area)
    raise Verdict("ok", f"a guest ran on {path}", int((time.monotonic() - started) * 1000))


def main() -> None:
    """Print the verdict and leave at once, without undoing what may hang."""
    try:
        probe(sys.argv[1] if len(sys.argv) > 1 else "/dev/kvm")
        tell({"verdict": "error", "detail": "the probe ended without a verdict"})
    except Verdict as verdict:
        tell(verdict.answer)
    except OSError as error:
        tell({"verdict": "error", "detail": str(error)})
    os._exit(0)


if __name__ == "__main__":
    main()
