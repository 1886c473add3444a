"""What stands in the way of removing Schedune from a cluster, in the order in which it goes.

VMs outlive their agents, so nothing may be removed that is needed to prove them ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from schedune.api.base import ApiModel
from schedune.api.vmplacement import FINALIZER, VMPlacement
from schedune.fleet.node import NodeRecord
from schedune.lifecycle.orphans import OrphanClass
from schedune_cli.reading.objects import Key

UNINSTALL: Final = "kubectl delete -f install.yaml"
_UNIT: Final = "schedune-vms.service"
CLEAN: Final = (
    f"systemctl disable --now {_UNIT};"
    f" rm -rf /etc/systemd/system/{_UNIT} /run/schedune /var/lib/schedune /opt/schedune"
)
"""The unit ends VMs before their host goes down; where nobody enabled it nothing of it is there."""
_WORKLOADS: Final = "kubectl delete vmworkloads --all --all-namespaces --wait=false"
_LOOK: Final = (
    "bring its agent back; where the machine is gone, delete its Node; else look there yourself:"
    " pgrep -af schedune"
)
_WAIT: Final = "kubectl wait --for=delete vmplacements --all --all-namespaces --timeout=10m"
_OTHER: Final = "ask with the schedune of the cluster's version, or correct what is told above"


class StepState(StrEnum):
    """How far a step is."""

    DONE = "Done"
    TO_DO = "ToDo"
    UNKNOWN = "Unknown"
    LAST = "Last"


class Finding(ApiModel):
    """One thing that is still there."""

    what: str
    """What it is."""
    told: str = ""
    """What is known of it."""
    remedy: str = ""
    """What to do about this one, where that is not the step's command."""


class UninstallStep(ApiModel):
    """One step; the next one waits for it."""

    name: str
    """What is done in it."""
    state: StepState
    """Whether there is anything left to do; Last: after all others, whatever is found."""
    command: str = ""
    """How, for a shell."""
    found: list[Finding] = Field(default_factory=list)
    """What is still there."""


class UninstallCheck(ApiModel):
    """Everything between here and a cluster without Schedune."""

    api_version: Literal["schedune.io/v1alpha1"] = "schedune.io/v1alpha1"
    kind: Literal["UninstallCheck"] = "UninstallCheck"
    steps: list[UninstallStep]
    """In their order."""
    unread: int = 0
    """How much of what was found there could not be read: it may be anything."""

    @property
    def is_clear(self) -> bool:
        """Whether Schedune can be removed now."""
        return not self.unread and all(
            one.state in (StepState.DONE, StepState.LAST) for one in self.steps
        )


@dataclass(frozen=True, slots=True)
class Unread:
    """What is there and cannot be read."""

    nodes: Sequence[str] = ()
    """Those whose NodeTruth it is."""
    placements: Sequence[Key] = ()
    count: int = 0
    """All of it together."""


def check_uninstall(
    workloads: Iterable[Key],
    placements: Sequence[VMPlacement],
    records: Sequence[NodeRecord],
    now: datetime,
    unread: Unread,
) -> UninstallCheck:
    """Return the steps, with what is left to do in each."""
    doubts = {one.name: _doubt(one, now) for one in records}
    workloads_left = [Finding(what=f"VMWorkload {where}/{name}") for where, name in workloads]
    placements_left = [
        _placement(one, doubts.get(one.spec.node_name, "there is no such Node"))
        for one in sorted(placements, key=lambda p: (p.metadata.namespace, p.metadata.name))
    ]
    placements_left += [
        Finding(
            what=f"VMPlacement {where}/{name}",
            told="it cannot be read: whether its VM runs is unknown",
            remedy=_OTHER,
        )
        for where, name in unread.placements
    ]
    return UninstallCheck(
        unread=unread.count,
        steps=[
            _step("Delete every VMWorkload", workloads_left, _WORKLOADS),
            _step("Wait until every VM is proved ended", placements_left, _WAIT),
            _vms_left(placements, records, doubts, unread.nodes),
            UninstallStep(
                name="Remove operator, agents, rights and definitions",
                state=StepState.LAST,
                command=UNINSTALL,
            ),
            UninstallStep(
                name="Clean each node, with the data of Persistent disks",
                state=StepState.LAST,
                command=CLEAN,
                found=[*_disks(records)],
            ),
        ],
    )


def _step(name: str, found: list[Finding], command: str) -> UninstallStep:
    state = StepState.TO_DO if found else StepState.DONE
    return UninstallStep(name=name, state=state, command=command if found else "", found=found)


def _doubt(record: NodeRecord, now: datetime) -> str:
    """Return why what is known of a node may not be so any more; empty: it is vouched for."""
    proof = record.last_proof
    if proof is None:
        return "nobody ever vouched for its facts"
    if (now - proof).total_seconds() <= record.lease_seconds:
        return ""
    return f"nobody has vouched for its facts since {proof:%Y-%m-%dT%H:%M:%SZ}"


def _placement(one: VMPlacement, doubt: str) -> Finding:
    name, node = f"{one.metadata.namespace}/{one.metadata.name}", one.spec.node_name
    state = one.status.state.value if one.status.state else "not taken up by an agent"
    held = "held until its agent proves the end" if FINALIZER in one.metadata.finalizers else ""
    remedy = (
        f"bring the agent of {node} back; or make sure that the VM is off, and say so:"
        f" schedune release {name} --asserted-by NAME --because TEXT"
    )
    return Finding(
        what=f"VMPlacement {name} on {node}",
        told=", ".join(part for part in (state, held, doubt) if part),
        remedy=remedy if doubt else "",
    )


def _vms_left(
    placements: Sequence[VMPlacement],
    records: Sequence[NodeRecord],
    doubts: Mapping[str, str],
    unread: Iterable[str],
) -> UninstallStep:
    """Say which nodes tell of a VM that no placement speaks for, and which cannot be asked."""
    known = {one.metadata.uid for one in placements}
    told = [record for record in records if record.truth is not None]
    found = [finding for record in told for finding in _on(record, known)]
    doubtful = [
        Finding(
            what=f"Node {one.name}",
            told=f"{doubts[one.name]}: whether VMs run there is unknown",
            remedy=_LOOK,
        )
        for one in told
        if doubts[one.name]
    ]
    doubtful += [
        Finding(
            what=f"Node {name}",
            told="its NodeTruth cannot be read: whether VMs run there is unknown",
            remedy=_OTHER,
        )
        for name in unread
    ]
    state = StepState.TO_DO if found else StepState.UNKNOWN if doubtful else StepState.DONE
    return UninstallStep(
        name="See that no node has a VM left",
        state=state,
        command="schedune orphans" if found else "",
        found=[*found, *doubtful],
    )


def _on(record: NodeRecord, known: Set[str]) -> Iterator[Finding]:
    if record.truth is None:
        return
    for vm in record.truth.status.live_vms:
        if vm.placement_uid not in known:
            yield Finding(what=f"VM {vm.namespace}/{vm.name} on {record.name}", told="it runs")
    for orphan in record.truth.status.orphans:
        if orphan.class_ == OrphanClass.UNMANAGED.value:
            continue  # it is not ours, and runs on without us
        is_process = orphan.pid is not None
        what = f"process {orphan.pid}" if is_process else f"what is left of {orphan.placement_uid}"
        yield Finding(what=f"{what} on {record.name}", told=orphan.message)


def _disks(records: Sequence[NodeRecord]) -> Iterator[Finding]:
    for record in records:
        for one in record.truth.status.persistent_disks if record.truth else ():
            whose = f"{one.disk} of {one.namespace}/{one.workload}"
            size = f"{one.size_bytes / 2**30:.1f} GiB"
            yield Finding(what=f"Persistent disk {whose} on {record.name}", told=size)
