"""Firmware boots: its code is never written, its variables are the VM's own."""

import platform
from collections.abc import Callable
from typing import Any

import pytest

from schedune.api.nodetruth import ArtifactKind
from schedune.api.vmplacement import PlacementState

S = PlacementState
pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the firmware of this test is code of amd64"
)
DISKS = [
    {"name": "data", "artifact": "data", "format": "Raw", "access": "ReadOnly", "bootOrder": 2},
    {"name": "new", "emptySize": "1Mi", "format": "Raw", "access": "Ephemeral", "bootOrder": 1},
]
BOOT = {
    "kernel": None, "initrd": None, "commandLine": None, "firmware": {"artifact": "tiny_CODE.fd"},
    "disks": DISKS, "restartPolicy": "Never",
}  # fmt: skip


async def test_firmware_runs_from_its_artefact_with_variables_of_its_own(
    new_world: Callable[..., Any], machine: Any
) -> None:
    kinds = {one.name: one.kind for one in machine.facts.artifacts}
    assert kinds["tiny_CODE.fd"] is kinds["tiny_VARS.fd"] is ArtifactKind.FIRMWARE
    world = new_world(**BOOT)
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.state is S.STARTING)
    store = world.paths.disks / "firmware-vars.fd"
    images = machine.settings.image_roots[0]
    assert store.read_bytes() == (images / "tiny_VARS.fd").read_bytes()
    await world.carry_on(worker, lambda record: record.ended is not None)
    assert worker.record.last_exit.reason == "GuestPoweredOff"
    assert worker.record.last_exit.console_tail == ["the firmware greets"]
    await world.carry_on(worker, lambda _: not world.remains())
