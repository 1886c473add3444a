"""What is reserved on every row: kept up to date claim by claim."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from schedune.fleet.column import Column
from schedune.fleet.keepers import Keepers
from schedune.fleet.node import ClaimRecord
from schedune.fleet.profile import HeldDisk

AMOUNTS: Final = ("vcpus", "memory", "disk", "vms")


class Claims:
    """All claims by placement, and their sums by row."""

    def __init__(self, rows: Mapping[str, int], claims: Iterable[ClaimRecord] = ()) -> None:
        self.held: dict[str, ClaimRecord] = {}
        self.sums: dict[str, Column] = {name: np.zeros(len(rows), np.int64) for name in AMOUNTS}
        self.pages: dict[int, Column] = {}
        """Bytes of huge pages in use, by the size of a page."""
        self.ports: dict[str, Column] = {}
        """How many VMs have each port of the node, of the ports that one has somewhere."""
        self._namespaces: dict[str, tuple[int, int]] = {}
        self._disks: Counter[tuple[str, str, str, str]] = Counter()
        """Persistent disks that claims count, by node, namespace, workload and name."""
        self.keepers = Keepers()
        """Claims of workloads that keep others away."""
        self._rows = rows
        for claim in claims:
            self.add(claim)

    def add(self, claim: ClaimRecord) -> int | None:
        """Count a claim; one on a node that is not there counts nowhere. Return its row."""
        self.held[claim.placement_uid] = claim
        self._disks.update(_disks_of(claim))
        self._count_in_namespace(claim, 1)
        self.keepers.add(claim)
        return self._count(claim, 1)

    def drop(self, placement_uid: str) -> int | None:
        """Give a claim back; idempotent. Return its row."""
        claim = self.held.pop(placement_uid, None)
        if claim is None:
            return None
        for disk in _disks_of(claim):
            self._disks[disk] -= 1
            if not self._disks[disk]:
                del self._disks[disk]
        self._count_in_namespace(claim, -1)
        self.keepers.drop(claim)
        return self._count(claim, -1)

    def counts(self, node_name: str, disk: HeldDisk) -> bool:
        """Say whether a claim counts a Persistent disk: its VM is placed there with it."""
        whose = (disk.namespace_uid, disk.namespace)
        return any((node_name, one, disk.workload, disk.disk) in self._disks for one in whose)

    def of_namespace(self, namespace: str) -> tuple[int, int]:
        """Return the vCPUs and the guest memory that a namespace's claims come to, on any node."""
        return self._namespaces.get(namespace, (0, 0))

    def _count_in_namespace(self, claim: ClaimRecord, sign: int) -> None:
        vcpus, memory = self.of_namespace(claim.namespace)
        own = claim.vcpus if claim.quota_vcpus is None else claim.quota_vcpus
        sums = (vcpus + sign * own, memory + sign * claim.guest_bytes)
        self._namespaces[claim.namespace] = sums

    def _count(self, claim: ClaimRecord, sign: int) -> int | None:
        row = self._rows.get(claim.node_name)
        if row is None:
            return None
        amounts = (claim.vcpus, claim.memory_bytes, claim.disk_bytes, claim.vms)
        for name, amount in zip(AMOUNTS, amounts, strict=True):
            self.sums[name][row] += sign * amount
        if claim.hugepage_size:
            self.used_pages(claim.hugepage_size)[row] += sign * claim.hugepage_bytes
        for port in claim.node_ports:
            self._used_port(port)[row] += sign
        return row

    def _used_port(self, port: str) -> Column:
        found = self.ports.get(port)
        if found is None:
            found = self.ports[port] = np.zeros(len(self._rows), np.int64)
        return found

    def used_pages(self, size: int) -> Column:
        """Return the bytes in use of pages of this size, on every row."""
        found = self.pages.get(size)
        if found is None:
            found = self.pages[size] = np.zeros(len(self._rows), np.int64)
        return found


def _disks_of(claim: ClaimRecord) -> list[tuple[str, str, str, str]]:
    whose = claim.namespace_uid or claim.namespace
    return [(claim.node_name, whose, claim.workload, disk) for disk in claim.persistent_disks]
