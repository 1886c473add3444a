"""Checks: each one question that may object to a node, asked of all nodes at once.

Every check runs on every node and none waits for another. The order is that in which a
reader is told, from what the node is to what it holds. ``TIMED`` are those whose answer
depends on the clock, or on more than the row itself: they are asked every time. ``LASTING``
ones change only with the node and what is placed on it: ``CLAIMED`` ones with both,
``STEADY`` ones with the node alone.
"""

from schedune.eligibility import (
    artifacts,
    backends,
    capabilities,
    capacity,
    company,
    disks,
    failures,
    freshness,
    labels,
    nature,
    networks,
    quota,
    state,
)
from schedune.eligibility.finding import Check

CHECKS: tuple[Check, ...] = (
    labels.check_selector,
    labels.check_affinity,
    freshness.check_known,
    freshness.check_age,
    freshness.check_clock,
    freshness.check_probes,
    state.check_ready,
    state.check_open,
    state.check_launches,
    labels.check_taints,
    state.check_health,
    nature.check_architecture,
    nature.check_class,
    nature.check_constraints,
    capabilities.check_capabilities,
    capabilities.check_ages,
    capacity.check_declared,
    capacity.check_vcpus,
    capacity.check_memory,
    capacity.check_hugepages,
    capacity.check_disk,
    capacity.check_count,
    artifacts.check_artifacts,
    networks.check_bridges,
    networks.check_node_ports,
    disks.check_persistent_disks,
    quota.check_quota,
    company.check_live,
    company.check_anti_affinity,
    company.check_existing_anti_affinity,
    company.check_spread,
    failures.check_recent_failures,
    backends.check_backends,
)
TIMED: tuple[Check, ...] = (
    freshness.check_age,
    freshness.check_clock,
    capabilities.check_ages,
    quota.check_quota,
    company.check_live,
    failures.check_recent_failures,
)
LASTING: tuple[Check, ...] = tuple(check for check in CHECKS if check not in TIMED)
CLAIMED: tuple[Check, ...] = (
    capacity.check_vcpus,
    capacity.check_memory,
    capacity.check_hugepages,
    capacity.check_disk,
    capacity.check_count,
    networks.check_node_ports,
    company.check_anti_affinity,
    company.check_existing_anti_affinity,
    company.check_spread,
)
STEADY: tuple[Check, ...] = tuple(check for check in LASTING if check not in CLAIMED)
