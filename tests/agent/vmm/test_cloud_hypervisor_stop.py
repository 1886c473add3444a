"""What is told of a guest that ends between two questions to its Cloud Hypervisor."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from schedune.codes import execution as codes
from schedune_agent.vmm.asking import no_grace
from schedune_agent.vmm.cloud_hypervisor.vm import CloudHypervisorVm
from schedune_agent.vmm.port import GuestEnd, VmPaths


async def test_a_guest_that_powers_off_between_two_questions_has_powered_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handle = SimpleNamespace(is_alive=True, identity=SimpleNamespace(pid=1))
    vm = CloudHypervisorVm(handle, VmPaths(tmp_path, tmp_path))
    ends = [None, GuestEnd(codes.STOPPED_BY_GUEST)]

    async def guest_end() -> GuestEnd | None:
        return ends.pop(0)

    async def is_running() -> bool:
        return False

    monkeypatch.setattr(vm, "guest_end", guest_end)
    monkeypatch.setattr(vm, "is_running", is_running)
    assert await vm._ask_to_power_down(no_grace) == GuestEnd(codes.STOPPED_BY_GUEST)
