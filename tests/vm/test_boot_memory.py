"""The memory that a kernel's header asks for, tried with a real one: no more than it needs.

With one MiB less not one byte of it is seen (core/schedune/launch/boot_memory.py), so the
rule refuses nothing that would boot: it is held here to its other side.
"""

import platform
import re
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.quantity import parse_bytes
from schedune_agent.vmm.console_log import ConsoleLog

NewWorld = Callable[..., Any]
ALONE: dict[str, Any] = {
    "initrd": None,
    "commandLine": "console=ttyS0 earlyprintk=serial panic=-1",
    "restartPolicy": "Never",
}


async def told(world: Any) -> str:
    """Return what the refusal of a launch says that the kernel takes."""
    await world.agent(lambda record: record.ended is not None)
    found = re.search(r"at least (\S+) of memory", world.record.trace[-1].message)
    assert found, world.record.trace[-1]
    return found[1]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a bzImage is for amd64")
async def test_a_kernel_starts_with_the_memory_that_is_told_and_is_refused_with_less(
    new_world: NewWorld,
) -> None:
    least = await told(new_world(memory="16Mi", **ALONE))
    assert await told(new_world(memory=str(parse_bytes(least) - 2**20), **ALONE)) == least
    world = new_world(memory=least, **ALONE)
    console = ConsoleLog(world.paths.kept)
    await world.agent(lambda _: b"Linux version" in console.whole())
