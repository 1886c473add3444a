"""Checks: each one question that may object to a node, asked of all nodes at once.

Every check runs on every node and none waits for another. ``CHECKS`` lists them; the
order is that in which a reader is told, from what the node is to what it holds.
"""

from schedune.eligibility import artifacts, backends, capacity, freshness, kvm, nature, node
from schedune.eligibility.finding import Check

CHECKS: tuple[Check, ...] = (
    node.check_selector,
    freshness.check_known,
    freshness.check_age,
    node.check_ready,
    node.check_open,
    node.check_taints,
    node.check_health,
    nature.check_architecture,
    kvm.check_kvm,
    capacity.check_declared,
    capacity.check_vcpus,
    capacity.check_memory,
    artifacts.check_artifacts,
    backends.check_backends,
)
