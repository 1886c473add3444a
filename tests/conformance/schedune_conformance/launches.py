"""Kinds about preparing a launch: prepare, agent_prepare.

Compared is what is launched, not how it is spelt: which host path is the primary disk, the
kernel and the root, and how many vCPUs and how much memory arrive. Argv is informative.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from schedune.api.nodetruth import NodeTruthStatus
from schedune.api.vmworkload import Backend, Disk, VMWorkload
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.notes import Imported
from schedune_cli.importing.words import BACKENDS
from schedune_conformance import engine
from schedune_conformance.answer import Answers
from schedune_conformance.corpus import Case, Document
from schedune_conformance.decisions import POLICY
from schedune_conformance.words import SECCOMP, TOKENS
from schedune_conformance.world import ample_node, artifacts_of, image_roots_of

_ALL: Final = "*"
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_CAPABILITIES: Final = (
    "kvm_vm_launch", "firecracker_tun_ready", "firecracker_cgroups_ready", SECCOMP,
)  # fmt: skip
_PROGRAMS: Final = {
    "qemu-system-x86_64": Backend.QEMU,
    "qemu-system-aarch64": Backend.QEMU,
    "cloud-hypervisor": Backend.CLOUD_HYPERVISOR,
    "firecracker": Backend.FIRECRACKER,
}


def answer_prepare(case: Case) -> Answers:
    """Prepare a launch for one backend on a host with some files."""
    backend = BACKENDS[case.raw["backend"]]
    prepared = case.expected.get("prepared") or {}
    wanted = {"eligible": case.expected["eligible"], **_expected_launch(prepared)}
    found = import_document(_spec_for(case.raw["spec"], backend), POLICY)
    if not isinstance(found, Imported) or not isinstance(found.manifest, VMWorkload):
        return Answers(wanted, {"eligible": False}, {"refused": found})
    workload = found.manifest
    absent = list(_absent(workload, case.raw["existing_files"]))
    ours = {"eligible": not absent, **_launch(workload, backend, case.raw["spec"])}
    return Answers(wanted, ours, {"workload": workload})


def _spec_for(spec: Document, backend: Backend) -> Document:
    """Name the class that the backend runs: here a Firecracker VM is always a MicroVM."""
    micro = {"runtime_class": "MicroVM"} if backend is Backend.FIRECRACKER else {}
    return {**spec, **micro}


def _expected_launch(prepared: Mapping[str, Any]) -> dict[str, Any]:
    if not prepared:
        return {}
    own = prepared[prepared["runtime_backend"]]
    names = ("artifact_path", "kernel_image_path", "rootfs_path")
    paths = {name: own[name] for name in names if name in own}
    return {"vcpu": prepared["vcpu"], "memory_mb": prepared["memory_mb"], **paths}


def _launch(workload: VMWorkload, backend: Backend, spec: Document) -> dict[str, Any]:
    """Return what is launched; a kernel is an artefact, so its folder comes from the case."""
    primary = primary_disk(workload)
    path = primary.source.host_path or primary.source.artifact if primary else None
    vcpus, mebis = engine.launched_size(workload, backend)
    found = {"vcpu": vcpus, "memory_mb": mebis}
    if backend is not Backend.FIRECRACKER:
        return {**found, "artifact_path": path}
    kernel = workload.spec.boot.kernel
    named = [one for one in _paths(spec) if kernel and PurePosixPath(one).name == kernel.artifact]
    return {**found, "rootfs_path": path, "kernel_image_path": named[0] if named else None}


def _paths(spec: Document) -> Iterable[str]:
    yield from (one["host_path"] for one in spec.get("storage") or [])
    yield from (spec[name] for name in ("kernel_image_path", "rootfs_path") if spec.get(name))


def primary_disk(workload: VMWorkload) -> Disk | None:
    """Return the disk that a guest boots from."""
    disks = workload.spec.disks
    return next((one for one in disks if one.boot_order == 1), disks[0] if disks else None)


def answer_agent_prepare(case: Case) -> Answers:
    """Prepare a launch on a host with some files and some programs."""
    spec, expected = case.raw["spec"], case.expected
    wanted = {name: expected[name] for name in ("eligible", "codes", "backend")}
    found = import_document(spec, POLICY)
    if not isinstance(found, Imported) or not isinstance(found.manifest, VMWorkload):
        ours = {"eligible": False, "codes": [], "backend": "unknown"}
        return Answers(wanted, ours, {"refused": found})
    workload = found.manifest
    status = _host(workload, case.raw["existing_files"], case.raw["binaries_on_path"])
    decision = engine.decide_on([ample_node("n", status, workload, _NOW)], workload, _NOW)
    files = list(_absent(workload, case.raw["existing_files"]))
    against = {one: [*_codes_against(decision, one), *files] for one in decision.intent.backends}
    fit = [one for one, codes in against.items() if not codes]
    codes = (
        [] if fit else sorted({code for found_codes in against.values() for code in found_codes})
    )
    backend = TOKENS[fit[0] if fit else decision.intent.backends[-1]]
    return Answers(wanted, {"eligible": bool(fit), "codes": codes, "backend": backend})


def _codes_against(decision: engine.Judged, backend: Backend) -> Iterable[str]:
    return (one.code for one in engine.objections(decision, 0) if one.backend in (None, backend))


def _absent(workload: VMWorkload, existing: list[str] | str) -> Iterable[str]:
    facts = NodeTruthStatus.model_validate(_host(workload, existing, {}))
    return engine.judge_files(workload, facts)


def _host(
    workload: VMWorkload, existing: list[str] | str, programs: Mapping[str, str]
) -> dict[str, Any]:
    """State what an agent on a host with these files and programs would publish.

    The original's agent looks at nothing else, so all else is in order.
    """
    architecture = workload.spec.architecture.value
    names = {PurePosixPath(one).name for one in existing} if existing != _ALL else None
    firmware = workload.spec.boot.firmware
    given = {firmware.artifact} if firmware else set()
    return {
        "cpu": {"architecture": architecture, "cores": 64},
        "health": {"state": "Healthy"},
        "capabilities": [
            {"name": one, "state": "Supported", "reasonCode": "CAP_STATED", "observedTime": _NOW}
            for one in _CAPABILITIES
        ],
        "disks": image_roots_of(workload),
        "artifacts": [
            one
            for one in artifacts_of(workload, architecture)
            if names is None or PurePosixPath(one["name"]).name in names | given
        ],
        "backends": [
            {"name": _PROGRAMS[name].value, "path": path, "architecture": architecture}
            for name, path in programs.items()
            if name in _PROGRAMS
        ],
    }
