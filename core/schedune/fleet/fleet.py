"""The fleet as columns (numpy): a check is a vector operation over all nodes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from schedune.api.nodetruth import CapabilityState, HealthState, NodeTruthStatus, Scheduling
from schedune.api.quantity import parse_bytes
from schedune.fleet.node import ClaimRecord, NodeRecord

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[np.int64]
_T = TypeVar("_T")

UNDECLARED: Final = -1
"""In a capacity column: nobody has said."""
KVM_CAPABILITY: Final = "kvm_vm_launch"


@dataclass(frozen=True)
class Fleet:
    """All nodes, sorted by name, and what is left of each.

    Columns are made when first asked for and kept: workloads share them.
    """

    nodes: tuple[NodeRecord, ...]
    claimed_vcpus: Column
    claimed_memory: Column

    @classmethod
    def of(cls, nodes: Iterable[NodeRecord], claims: Iterable[ClaimRecord] = ()) -> "Fleet":
        """Build the fleet; claims on nodes that are not there count nowhere."""
        ordered = tuple(sorted(nodes, key=lambda node: node.name))
        row = {node.name: index for index, node in enumerate(ordered)}
        vcpus = np.zeros(len(ordered), np.int64)
        memory = np.zeros(len(ordered), np.int64)
        for claim in claims:
            index = row.get(claim.node_name)
            if index is not None:
                vcpus[index] += claim.vcpus
                memory[index] += claim.memory_bytes
        return cls(ordered, vcpus, memory)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def names(self) -> Sequence[str]:
        """Node names in the order of the rows."""
        return [node.name for node in self.nodes]

    def facts(self, index: int) -> NodeTruthStatus | None:
        """Return the node's facts; None where nothing is known of it."""
        truth = self.nodes[index].truth
        return truth.status if truth is not None and truth.status.identity is not None else None

    def mask(self, question: Callable[[NodeRecord], bool]) -> Mask:
        """Ask every node record."""
        return np.fromiter((question(node) for node in self.nodes), np.bool_, len(self))

    def mask_facts(self, question: Callable[[NodeTruthStatus], bool]) -> Mask:
        """Ask the facts of every node; False where there are none."""
        answers = (
            facts is not None and question(facts)
            for facts in (self.facts(index) for index in range(len(self)))
        )
        return np.fromiter(answers, np.bool_, len(self))

    @cached_property
    def known(self) -> Mask:
        """Nodes with facts that belong to the Node of this UID."""
        return np.fromiter(
            (self._is_known(index) for index in range(len(self))), np.bool_, len(self)
        )

    def _is_known(self, index: int) -> bool:
        facts = self.facts(index)
        uid = self.nodes[index].uid
        return facts is not None and facts.identity is not None and facts.identity.node_uid == uid

    @cached_property
    def architecture(self) -> npt.NDArray[np.str_]:
        """Architecture of each node; "" where unknown."""
        return np.array(
            self._each(lambda facts: facts.cpu.architecture if facts.cpu else "", ""), np.str_
        )

    @cached_property
    def kvm(self) -> npt.NDArray[np.str_]:
        """State of the capability that the strong KVM probe answers."""
        return np.array(self._each(_kvm_state, CapabilityState.UNKNOWN.value), np.str_)

    @cached_property
    def health(self) -> npt.NDArray[np.str_]:
        """Health state of each node."""
        unknown = HealthState.UNKNOWN.value
        return np.array(
            self._each(
                lambda facts: facts.health.state.value if facts.health else unknown, unknown
            ),
            np.str_,
        )

    @cached_property
    def open(self) -> Mask:
        """Nodes that take new VMs, by the Node and by its truth."""
        return self.mask(
            lambda node: (
                not node.unschedulable
                and (node.truth is None or node.truth.spec.scheduling is Scheduling.ENABLED)
            )
        )

    @cached_property
    def vcpus(self) -> Column:
        """Declared vCPUs, or UNDECLARED."""
        return np.array(
            self._each(
                lambda facts: facts.capacity.vcpus if facts.capacity else UNDECLARED, UNDECLARED
            ),
            np.int64,
        )

    @cached_property
    def memory(self) -> Column:
        """Declared memory in bytes, or UNDECLARED."""
        return np.array(
            self._each(
                lambda facts: parse_bytes(facts.capacity.memory) if facts.capacity else UNDECLARED,
                UNDECLARED,
            ),
            np.int64,
        )

    @cached_property
    def declared(self) -> Mask:
        """Nodes whose VM capacity is declared."""
        return np.asarray(self.vcpus != UNDECLARED, np.bool_)

    @property
    def free_vcpus(self) -> Column:
        """Declared vCPUs that no placement claims, never below 0."""
        return np.asarray(np.maximum(self.vcpus - self.claimed_vcpus, 0), np.int64)

    @property
    def free_memory(self) -> Column:
        """Declared bytes that no placement claims, never below 0."""
        return np.asarray(np.maximum(self.memory - self.claimed_memory, 0), np.int64)

    def truth_age_seconds(self, now: datetime) -> Column:
        """Whole seconds since the last proof of each node's facts, rounded up; -1: none."""
        ages = [
            -1
            if node.last_proof is None
            else max(0, _ceil_seconds((now - node.last_proof).total_seconds()))
            for node in self.nodes
        ]
        return np.array(ages, np.int64)

    @cached_property
    def lease_seconds(self) -> Column:
        """How long a proof holds on each node."""
        return np.array([node.lease_seconds for node in self.nodes], np.int64)

    def _each(self, question: Callable[[NodeTruthStatus], _T], otherwise: _T) -> list[_T]:
        answers = []
        for index in range(len(self)):
            facts = self.facts(index)
            answers.append(otherwise if facts is None else question(facts))
        return answers


def _ceil_seconds(seconds: float) -> int:
    return -int(-seconds // 1)


def _kvm_state(facts: NodeTruthStatus) -> str:
    for capability in facts.capabilities:
        if capability.name == KVM_CAPABILITY:
            return capability.state.value
    return CapabilityState.UNKNOWN.value
