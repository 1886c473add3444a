"""What every adapter must do about taps, asked of a real VMM of each kind in a network of its own.

QEMU runs everywhere; the others where a binary of theirs is given. No guest need come up.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from schedune.api.vmworkload import Backend
from schedune.launch.traits import TRAITS
from schedune_agent.system import taps
from schedune_agent.vmm.asking import no_grace
from schedune_agent.vmm.port import Tap, VmmRefusalError
from schedune_testing.bare_vms import BareVm, binary_of, short_folder
from schedune_testing.own_network import add_bridge, own_network, ports_of

LAN, WAN = "schaaaaaaaaaaaa", "schbbbbbbbbbbbb"
CARDS: list[dict[str, Any]] = [
    {"name": "lan", "type": "Tap", "tap": {"bridge": "br0"}},
    {"name": "wan", "type": "Tap", "tap": {"bridge": "br0", "macAddress": "52:54:00:00:00:01"}},
]


@pytest.fixture(params=list(Backend))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each VMM of which there is one here."""
    binary_of(request.param)
    kind: Backend = request.param
    return kind


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    """Be in a network with one bridge."""
    with own_network():
        add_bridge("br0")
        yield


@pytest.fixture
async def bare(backend: Backend) -> AsyncIterator[BareVm]:
    """One VM with two cards that is not started yet, and is gone afterwards."""
    passes = TRAITS[backend].takes_open_taps
    wanted = {
        "lan": Tap(LAN, "br0", 1000 if passes else None),
        "wan": Tap(WAN, "br0", 1001 if passes else None),
    }
    with short_folder() as folder:
        one = BareVm(backend, folder, wanted, networks=CARDS)
        yield one
        one.close()
        await asyncio.sleep(0)


async def test_a_vmm_holds_its_taps_as_long_as_it_lives_and_no_longer(bare: BareVm) -> None:
    vm = await bare.run()
    assert await vm.is_running()
    assert ports_of("br0") == [LAN, WAN]
    assert not taps.remove(LAN)
    assert not taps.remove(WAN)
    await vm.stop(no_grace)
    assert taps.remove(LAN)
    assert taps.remove(WAN)
    assert ports_of("br0") == []


async def test_an_agent_that_was_killed_after_any_request_is_followed_by_one_that_goes_on(
    bare: BareVm,
) -> None:
    requests = bare.plan.requests
    for done in range(len(requests) + 1):
        vm = await bare.start()
        await vm.begin(requests[:done])
        identity = vm.handle.identity
        await bare.forget()
        following = await bare.take(identity)
        await following.begin(requests)
        assert await following.is_running(), f"after {done} requests"
        assert ports_of("br0") == [LAN, WAN]
        await following.stop(no_grace)
        following.handle.reap()
        await bare.forget()


async def test_a_vmm_makes_no_tap_itself_when_one_has_gone(bare: BareVm, backend: Backend) -> None:
    vm = await bare.start()
    if TRAITS[backend].takes_open_taps:
        assert not taps.remove(WAN)
        return
    assert taps.remove(WAN)
    with pytest.raises(VmmRefusalError) as refused:
        await vm.begin(bare.plan.requests)
    assert refused.value.reason.row.code == "ERR_EXEC_TAP_GONE"
    assert not taps.exists(WAN)
    assert not await vm.is_running()
