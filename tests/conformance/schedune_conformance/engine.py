"""The engine as the suite asks it; when the engine changes, this is what follows it.

Everything that the suite knows of the engine's own names is in this module.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from schedune.api.nodetruth import Capability, CapabilityState, NodeTruthStatus
from schedune.api.quantity import parse_bytes
from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmplacement import Claim
from schedune.api.vmworkload import Backend, VMWorkload
from schedune.codes.row import Reason
from schedune.decision.decide import Decision, decide
from schedune.fleet.column import Mask
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import NodeRecord
from schedune.fleet.profile import Interner, reduce_facts
from schedune.launch.artifacts import judge_artifact
from schedune.launch.intent import Intent, parse_intent
from schedune.launch.resolve import resolve_launch
from schedune.launch.traits import TRAITS
from schedune.launch.validate import find_artifact
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.port import LaunchFiles, LaunchInputs, Owner, Tap, VmPaths
from schedune_conformance.answer import NotExpressibleError

_MEBI: Final = 2**20
POLICY: Final = SchedulingPolicy(backends=list(Backend), version_floors=[])
"""The original knows all three backends, and of no version that is too old to be safe."""


@dataclass(frozen=True)
class Objection:
    """One reason against a node, or against one backend on it."""

    backend: Backend | None
    """None: it stands against every backend."""
    reason: Reason

    @property
    def code(self) -> str:
        """The reason's code."""
        return self.reason.row.code


def read_intent(workload: VMWorkload) -> Intent:
    """Return a workload's meaning; fields whose function is still missing stay in it.

    Raises:
        NotExpressibleError: the operator would call it nonsense.
    """
    parsed = parse_intent(workload)
    if isinstance(parsed, Intent):
        return parsed
    nonsense = [one.message for one in parsed]
    raise NotExpressibleError(f"README 7: no VMWorkload can say this: {nonsense}")


@dataclass(frozen=True)
class Judged:
    """A decision, beside the nodes as they were handed over."""

    decision: Decision
    nodes: Sequence[NodeRecord]
    """In the order of the rows."""

    @property
    def eligible(self) -> Mask:
        """Nodes on which at least one backend can launch the VM."""
        return self.decision.eligible

    @property
    def chosen(self) -> int | None:
        """Row of the node that the VM goes to."""
        return self.decision.chosen

    @property
    def intent(self) -> Intent:
        """What was asked for."""
        return self.decision.intent

    @property
    def now(self) -> datetime:
        """When it was decided."""
        return self.decision.now

    def backend_on(self, row: int) -> Backend:
        """Return the backend that would run the VM on an eligible node."""
        return self.decision.backend_on(row)

    def ranked(self) -> list[tuple[int, str]]:
        """Return score and name of the eligible nodes, best first."""
        rows = self.decision.ranking.tolist()
        return [(int(self.decision.scores[row]), self.nodes[row].name) for row in rows]


def decide_on(nodes: Sequence[NodeRecord], workload: VMWorkload, now: datetime) -> Judged:
    """Decide as the operator does."""
    decision = decide(Fleet.of(nodes), read_intent(workload), now=now, policy=POLICY)
    return Judged(decision, sorted(nodes, key=lambda node: node.name))


def objections(judged: Judged, index: int) -> list[Objection]:
    """Return everything that stands against a node, causes and consequences alike."""
    return [
        Objection(finding.backend, finding.testify(index))
        for finding in judged.decision.findings
        if finding.objects[index]
    ]


def complete_backend(fact: dict[str, Any]) -> dict[str, Any]:
    """Say that a binary can do all that it may be asked for; an envelope does not tell."""
    traits = TRAITS[Backend(fact["name"])]
    machine = traits.machines.get(fact["architecture"])
    return {
        **fact,
        "accelerations": ["KVM", "Emulated"] if traits.emulates else ["KVM"],
        "machineTypes": [machine] if machine else [],
        "features": sorted(traits.all_devices),
    }


def matched_preferences(workload: VMWorkload, facts: NodeTruthStatus) -> list[str]:
    """Return the preferred capabilities that a node has."""
    held = {one.name for one in facts.capabilities if one.state is CapabilityState.SUPPORTED}
    return [one for one in workload.spec.placement.preferred_capabilities if one in held]


def is_stale(capability: Capability, now: datetime) -> bool:
    """Say whether a capability says nothing any more."""
    limit = capability.stale_after_seconds
    return limit is not None and now > capability.observed_time + timedelta(seconds=limit)


def stale_parts(node: NodeRecord, now: datetime) -> set[str]:
    """Return what makes a node's truth stale, as the original names it (upstream 5)."""
    if node.truth is None or node.last_proof is None:
        return set()
    facts = node.truth.status
    parts = {one.name for one in facts.probes if one.outcome != "Succeeded"}
    parts |= {f"{one.name}_probe" for one in facts.capabilities if is_stale(one, now)}
    if now - node.last_proof > timedelta(seconds=node.lease_seconds):
        parts.add("GlobalEnvelopeStale")
    return parts


def launched_size(workload: VMWorkload, backend: Backend) -> tuple[int, int]:
    """Return the vCPUs and the MiB that arrive in a launch.

    QEMU's are read from its command line. The others have no adapter yet: theirs are those
    of the resolved launch, all that an adapter will be given. A disk's VM boots from a
    stand-in here, since command lines with disks are not written yet either.
    """
    launch = resolve_launch(read_intent(workload), workload.spec.architecture, backend)
    if backend is not Backend.QEMU:
        return launch.vcpus, parse_bytes(launch.memory) // _MEBI
    claim = Claim(vcpus=launch.vcpus, memory=launch.memory, overhead_memory="0")
    inputs = LaunchInputs(
        "qemu",
        launch,
        claim,
        LaunchFiles(Path("/stand-in"), None),
        VmPaths(Path("/run/vm"), Path("/disks")),
        Owner("placement", "workload", "cluster"),
        "127.0.0.1",
        taps={
            one.name: Tap(f"tap{number}", one.tap.bridge, 1000 + number)
            for number, one in enumerate(launch.networks)
            if one.tap is not None
        },
    )
    argv = adapter_of(backend).plan(inputs).argv
    options = dict(pairwise(argv))
    return int(options["-smp"]), int(options["-m"].removesuffix("M"))


def judge_files(workload: VMWorkload, facts: NodeTruthStatus) -> Iterator[str]:
    """Give the codes against the files that a workload refers to."""
    inventory = reduce_facts(facts, Interner())
    for need in read_intent(workload).needs.artifacts:
        found = judge_artifact(need, find_artifact(need, inventory), inventory.architecture)
        if found is not None:
            yield found.row.code
