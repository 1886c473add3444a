"""Does the VM fit into what is declared, minus what is claimed?"""

from collections.abc import Iterable
from datetime import datetime

from schedune.api.quantity import render_bytes
from schedune.codes import eligibility as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent
from schedune.launch.overhead import qemu_overhead


def check_declared(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where nobody has said what VMs may use: unknown is not available."""
    yield Finding(
        "capacityDeclared",
        codes.CAPACITY_UNDECLARED,
        fleet.known & ~fleet.declared,
        lambda index: Reason(codes.CAPACITY_UNDECLARED, "nothing declared", "a declared capacity"),
    )


def check_vcpus(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where fewer vCPUs are free than asked for."""
    free = fleet.free_vcpus
    yield Finding(
        "vcpus",
        codes.INSUFFICIENT_VCPUS,
        fleet.known & fleet.declared & (free < intent.vcpus),
        lambda index: Reason(
            codes.INSUFFICIENT_VCPUS,
            f"{free[index]} of {max(fleet.vcpus[index], 0)}", str(intent.vcpus),
        ),
        bound=lambda index: _bound("vcpus", int(free[index]), str(free[index]), str(intent.vcpus)),
    )  # fmt: skip


def check_memory(fleet: Fleet, intent: Intent, now: datetime) -> Iterable[Finding]:
    """Object where less memory is free than the guest and its VMM need."""
    free = fleet.free_memory
    overhead = qemu_overhead(intent.vcpus, intent.acceleration)
    needed = intent.memory_bytes + overhead
    asked = render_bytes(intent.memory_bytes)
    yield Finding(
        "memory",
        codes.INSUFFICIENT_MEMORY,
        fleet.known & fleet.declared & (free < needed),
        lambda index: Reason(
            codes.INSUFFICIENT_MEMORY,
            f"{render_bytes(int(free[index]))} of {render_bytes(max(int(fleet.memory[index]), 0))}",
            f"{asked} + {render_bytes(overhead)} for the VMM",
        ),
        bound=lambda index: _bound(
            "memory", greatest_guest_memory(int(free[index]), overhead),
            render_bytes(greatest_guest_memory(int(free[index]), overhead)), asked,
        ),
    )  # fmt: skip


def greatest_guest_memory(free: int, overhead: int) -> int:
    """Return the most guest memory, in whole MiB, that would fit."""
    mebi = 2**20
    return max(0, (free - overhead) // mebi * mebi)


def _bound(name: str, most: int, text: str, asked: str) -> str:
    if most <= 0:
        return f"{name} is freed (asked {asked}, none is left)"
    return f"{name} <= {text} (asked {asked})"
