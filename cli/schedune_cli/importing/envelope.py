"""SchedulerEnvelope -> NodeTruth: what an agent of the original saw of a node, once."""

from collections.abc import Mapping
from typing import Final

from schedune.api.nodetruth import NodeTruth
from schedune.api.quantity import MAX_BYTES
from schedune_cli.importing.capabilities import (
    LATEST,
    backends_of,
    capabilities_of,
    moment,
    shorten,
)
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.findings import codes_of, constraints_of, health_of, probes_of
from schedune_cli.importing.names import node_of
from schedune_cli.importing.notes import Imported, Notes, Refused
from schedune_cli.importing.words import ARCHITECTURES
from schedune_cli.importing.workload import read_version, validate

_CLASSES: Final = {
    one: one for one in ("ArmProduction", "X86HoldingPool", "Unsupported", "Degraded")
}
_NOT_TOLD: Final = {
    "status.artifacts": "an envelope lists no images: what needs one finds none",
    "status.backends": "of a VMM an envelope tells the version, not what the binary can do",
    "status.identity": "who a node is, its own agent must prove",
}
_MOST_CORES: Final = 65536
_MOST_MEMORY_MIB: Final = MAX_BYTES >> 20
_MEBI: Final = 2**20


def import_envelope(raw: Mapping[str, object]) -> Imported | Refused:
    """Return the truth about one node as it was when the envelope was made."""
    notes = Notes()
    fields = Fields(raw, notes)
    read_version(fields)
    name = node_of(fields, "node_id")
    status = _status(fields)
    fields.drop("agent_version", "who vouches for a node is told by its own agent")
    for missing, why in _NOT_TOLD.items():
        notes.miss(missing, why)
    fields.close()
    found = validate(NodeTruth, {"metadata": {"name": name}, "status": status}, notes)
    return tuple(notes.problems) if found is None else Imported(found, tuple(notes.losses))


def _status(fields: Fields) -> dict[str, object]:
    compatibility, facts = fields.part("compatibility"), fields.part("facts")
    capabilities = capabilities_of(fields)
    status: dict[str, object] = {
        "digest": fields.text("collection_id", required=True),
        "observedTime": moment(fields.integer("timestamp_sec", least=1, most=LATEST)),
        "compatibilityClass": compatibility.required_choice("class", _CLASSES),
        "compatibilityReasons": codes_of(compatibility, "reason_codes"),
        "capabilities": capabilities,
        "constraints": constraints_of(fields),
        "health": health_of(fields.part("health")),
        "probes": probes_of(fields),
    }
    compatibility.close()
    return {**status, **_facts(facts, capabilities)}


def _facts(facts: Fields, capabilities: list[dict[str, object]]) -> dict[str, object]:
    cpu, memory, system = facts.part("cpu"), facts.part("memory"), facts.part("os")
    machine = cpu.text("architecture", required=True)
    architecture = ARCHITECTURES.get(machine)
    if machine and architecture is None:
        cpu.change("architecture", "no architecture that Schedune places on: kept as it is")
    cores = cpu.integer("cores", least=1, most=_MOST_CORES)
    mebis = memory.integer("total_mb", least=1, most=_MOST_MEMORY_MIB)
    for part, name, value in ((cpu, "cores", cores), (memory, "total_mb", mebis)):
        told = "offered to VMs whole: the original knows no other use and no reservation"
        part.notes.change(part.path_of(name), value, told)
    vendor = shorten(cpu, "vendor_id", cpu.text("vendor_id"))
    found: dict[str, object] = {
        "cpu": {
            "architecture": architecture or machine,
            "cores": cores,
            **({"vendor": vendor} if vendor else {}),
        },
        "memory": {"totalBytes": mebis * _MEBI},
        "capacity": {"vcpus": cores, "memory": f"{mebis}Mi", "basis": "Configured"},
        "os": {
            "hostname": system.text("hostname", required=True),
            "name": system.text("name", required=True),
            "kernel": system.text("kernel_version"),
        },
        "backends": backends_of(capabilities, machine, architecture or machine),
    }
    for part in (cpu, memory, system, facts):
        part.close()
    return found
