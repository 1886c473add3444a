"""A whole round: one bad thing costs its own facts, and all others are told in time."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schedune.api.nodetruth import CapabilityState, NodeTruthStatus
from schedune.codes.table import TABLE
from schedune.eligibility.freshness import _OWN_WORD
from schedune_agent.facts import Probes
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes import binaries, devices
from schedune_agent.probes.family import Part, join
from schedune_agent.published import publish_form
from schedune_agent.settings import AgentSettings
from schedune_agent.system.host_files import HOST, HostFiles

_OURS = {"kvm", "devices", "security", "qemu", "cloud-hypervisor", "firecracker"}
_NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_IDENTITY = NodeIdentity("node", "node-uid", "machine", "boot")


@pytest.fixture
def probes(tmp_path: Path) -> Callable[..., Probes]:
    def make(files: HostFiles = HOST, **more: object) -> Probes:
        settings = AgentSettings.model_validate(
            {
                "kubernetes": {"server": "https://127.0.0.1:1", "caFile": "/c", "tokenFile": "/t"},
                "clusterUID": "cluster-of-this-test",
                "imageRoots": [str(tmp_path / "images")],
                "capacity": {"vcpus": 4, "memory": "4Gi"},
                **more,
            }
        )
        return Probes(settings, _IDENTITY, "Cgroup", lambda: _NOW, files)

    return make


def _states(facts: NodeTruthStatus) -> dict[str, CapabilityState]:
    return {one.name: one.state for one in facts.capabilities}


async def test_on_this_machine_every_capability_is_told_with_code_source_and_method(
    probes: Callable[..., Probes],
) -> None:
    facts = await probes().take_facts()
    assert {one.outcome for one in facts.probes} == {"Succeeded"}
    names = [one.name for one in facts.capabilities]
    assert names == sorted(set(names))
    for one in facts.capabilities:
        assert one.reason_code in TABLE
        assert one.source
        assert one.method
        assert one.message
    assert facts.compatibility_reasons


async def test_rounds_of_a_machine_that_does_not_change_are_equal(
    probes: Callable[..., Probes],
) -> None:
    held = probes()
    first, second = await held.take_facts(), await held.take_facts()
    assert first.capabilities == second.capabilities
    assert first.backends == second.backends


async def test_what_these_families_add_to_the_status_is_small(
    probes: Callable[..., Probes],
) -> None:
    facts = publish_form(await probes().take_facts())
    told = {key: facts[key] for key in ("capabilities", "backends", "constraints") if key in facts}
    assert len(json.dumps(told, separators=(",", ":"))) <= 5 * 1024


async def test_with_everything_hostile_at_once_every_answer_comes_and_says_why(
    tmp_path: Path,
    silent_folder: Path,
    probes: Callable[..., Probes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "VERSION_DEADLINE_S", 1.0)
    monkeypatch.setattr(devices, "_LIMIT_S", 0.5)
    root, folder = tmp_path / "root", tmp_path / "bin"
    folder.mkdir(mode=0o755)
    for name, script in (
        ("firecracker", "exec sleep 60"),
        ("cloud-hypervisor", "exec head -c 1073741824 /dev/zero"),
        ("qemu-system-x86_64", "echo 'Bochs 2.7'"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "qemu-system-aarch64").mkdir()
    (folder / "qemu-kvm").mkdir()
    (root / "dev/net").mkdir(parents=True)
    (root / "dev/net/tun").symlink_to(silent_folder / "tun")
    (root / "dev/kvm").write_text("no device")
    for path in ("proc/self/ns", "proc/sys/kernel/seccomp/actions_avail", "proc/cpuinfo"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"\xff\0garbage")
    (root / "sys/class/tpm/tpm0").mkdir(parents=True)
    (root / "sys/class/tpm/tpm0/tpm_version_major").mkdir()
    started = time.monotonic()
    facts = await probes(HostFiles(root), searchPath=[str(folder)]).take_facts()
    assert time.monotonic() - started < 6
    states = _states(facts)
    unknown = CapabilityState.UNKNOWN
    expected = {
        "kvm_vm_launch": unknown,
        "kvm_virtualization": unknown,
        "kvm_nested": unknown,
        "amd_sev": unknown,
        "intel_tdx": unknown,
        "firecracker_tun_ready": unknown,
        "vhost_net": CapabilityState.UNSUPPORTED,
        "vhost_vsock": CapabilityState.UNSUPPORTED,
        "device_passthrough": CapabilityState.UNSUPPORTED,
        "hardware_tpm": unknown,
        "kernel_seccomp_supported": unknown,
        "kernel_landlock_supported": unknown,
        "kernel_namespaces_supported": unknown,
        "firecracker_cgroups_ready": CapabilityState.UNSUPPORTED,
        "qemu_binary_present": unknown,
        "cloud_hypervisor_binary_present": unknown,
        "firecracker_binary_present": unknown,
    }
    assert {name: states[name] for name in expected} == expected
    assert all(one.message and one.reason_code in TABLE for one in facts.capabilities)
    assert facts.compatibility_class is None
    assert facts.compatibility_reasons == ["CLASS_UNKNOWN_ARCH"]


def test_a_family_that_answers_for_capabilities_speaks_for_itself_when_it_fails(
    probes: Callable[..., Probes],
) -> None:
    """The others fail for the whole node: nobody knows what they would have said.

    So does the list of persistent disks: a missing one must not look like a disk that is not.
    """
    families = probes()._families
    answering = {one.name for one in families if one.answers_for} - {"persistent-disks"}
    assert answering <= _OWN_WORD
    assert "networks" not in _OWN_WORD


def test_a_list_to_which_several_families_add_is_theirs_in_turn() -> None:
    parts = [Part({"backends": [1], "cpu": "a"}), Part({"backends": [2]}), Part({"memory": "b"})]
    assert join(parts) == {"backends": [1, 2], "cpu": "a", "memory": "b"}
