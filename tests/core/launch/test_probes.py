"""How a guest is asked: resolved for its backend, and refused where that cannot be."""

from typing import Any

import pytest

from schedune.api.vmworkload import Architecture, Backend, Probe
from schedune.launch.backends import judge_request
from schedune.launch.intent import Intent, parse_intent, read_workload
from schedune.launch.needs import BackendNeeds, needs_of_launch
from schedune.launch.resolve import resolve_launch
from schedune_testing.nodes import workload


def parsed(**spec: Any) -> Any:
    read = read_workload(workload(**spec))
    assert not isinstance(read, tuple), read
    return parse_intent(read)


def forwards(*ports: int, protocol: str = "TCP") -> list[dict[str, Any]]:
    led = [
        {"name": f"p{port}", "nodePort": 20000 + port, "guestPort": port, "protocol": protocol}
        for port in ports
    ]
    return [{"name": "nat", "type": "User", "user": {"portForwards": led}}]


@pytest.mark.parametrize(
    ("backend", "probe"),
    [
        (Backend.QEMU, Probe.VIRTIO_SERIAL),
        (Backend.CLOUD_HYPERVISOR, Probe.VSOCK),
        (Backend.FIRECRACKER, Probe.VSOCK),
    ],
)
def test_who_does_not_say_how_is_asked_for_a_nonce_by_what_the_backend_has(
    backend: Backend, probe: Probe
) -> None:
    launch = resolve_launch(parsed(), Architecture.AMD64, backend)
    assert launch.readiness.probe is probe
    assert "ERR_LAUNCH_READINESS_PROBE" not in codes(needs_of_launch(launch), backend)


def codes(needs: Any, backend: Backend) -> list[str]:
    return [reason.row.code for reason in judge_request(BackendNeeds(backend, needs))]


@pytest.mark.parametrize("backend", [Backend.CLOUD_HYPERVISOR, Backend.FIRECRACKER])
def test_a_way_that_the_backend_does_not_have_stands_against_it(backend: Backend) -> None:
    intent = parsed(readiness={"probe": {"type": "GuestAgent"}})
    assert "ERR_LAUNCH_READINESS_PROBE" in codes(intent.needs, backend)
    assert "ERR_LAUNCH_READINESS_PROBE" not in codes(intent.needs, Backend.QEMU)


def test_who_asks_no_guest_needs_no_way_to_it() -> None:
    intent = parsed(readiness={"level": "Backend", "probe": {"type": "GuestAgent"}})
    assert "ERR_LAUNCH_READINESS_PROBE" not in codes(intent.needs, Backend.CLOUD_HYPERVISOR)


@pytest.mark.parametrize("networks", [[], forwards(80), forwards(22, protocol="UDP")])
def test_a_port_to_which_no_forward_leads_cannot_be_asked(networks: list[Any]) -> None:
    refused = parsed(readiness={"probe": {"type": "TCP", "port": 22}}, networks=networks)
    assert isinstance(refused, tuple)
    assert "spec.readiness.probe.port: 22: needs a port forward" in refused[0].message


def test_a_port_to_which_a_forward_leads_is_asked() -> None:
    probe = {"type": "TCP", "port": 22}
    intent = parsed(readiness={"probe": probe}, networks=forwards(80, 22))
    assert isinstance(intent, Intent)
    launch = resolve_launch(intent, Architecture.AMD64, Backend.QEMU)
    assert (launch.readiness.probe, launch.readiness.port) == (Probe.TCP, 22)
