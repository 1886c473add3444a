"""What VMs may use of this node (design.md 4): declared, else outside of what pods may use.

Pods and VMs never count the same bytes: where a kubelet gives out the machine, VMs get what
it keeps back, and what an agent is configured to offer counts only where there is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schedune.api.nodetruth import DeclaredCapacity, NodeCapacity
from schedune.api.quantity import QuantityError, parse_bytes, render_exact
from schedune_agent.settings import ReserveSettings

_MOST_VCPUS: Final = 65536
_PAGES: Final = "hugepages-"


def settle_capacity(
    found: NodeCapacity | None,
    declared: DeclaredCapacity | None,
    node: Mapping[str, Any] | None,
    reserve: ReserveSettings,
    pages: Sequence[str] = (),
) -> NodeCapacity | None:
    """Return what VMs may use and who says so; None: nobody has said.

    ``found`` is what the agent is configured to offer, or what was recorded; ``node`` the
    Kubernetes Node, None where it is not known; ``pages`` the free huge pages, which are the
    kernel's to tell.
    """
    if declared is not None:
        return NodeCapacity(
            vcpus=declared.vcpus,
            memory=declared.memory,
            disk=declared.disk,
            hugepages=list(pages),
            basis="Declared",
        )
    if node is None or not has_kubelet(node):
        return found
    outside = outside_allocatable(node, reserve)
    return outside and outside.model_copy(update={"hugepages": list(pages)})


def has_kubelet(node: Mapping[str, Any]) -> bool:
    """Say whether a kubelet gives out this machine to pods."""
    return bool((_status(node).get("nodeInfo") or {}).get("kubeletVersion"))


def outside_allocatable(node: Mapping[str, Any], reserve: ReserveSettings) -> NodeCapacity | None:
    """Return what the kubelet keeps back from pods, less what the system needs of that.

    None: it keeps back no whole CPU, or no memory; then VMs have no room of their own, and
    an administrator has to say what they may use.
    """
    try:
        vcpus = _kept_back(node, "cpu") - reserve.vcpus
        memory = _memory(node) - parse_bytes(reserve.memory)
        disk = _disk(node, reserve)
    except (QuantityError, KeyError):
        return None
    if vcpus < 1 or memory < 1:
        return None
    return NodeCapacity(
        vcpus=min(vcpus, _MOST_VCPUS),
        memory=render_exact(memory),
        disk=render_exact(max(disk, 0)),
        basis="OutsideAllocatable",
    )


def _memory(node: Mapping[str, Any]) -> int:
    """Return the ordinary memory kept back from pods.

    The kubelet takes every huge page of the machine out of allocatable memory as well, but
    keeps none of them back: pods ask for them by a name of their own.
    """
    capacity = _status(node)["capacity"]
    pages = sum(parse_bytes(size) for name, size in capacity.items() if name.startswith(_PAGES))
    return _kept_back(node, "memory") - pages


def _disk(node: Mapping[str, Any], reserve: ReserveSettings) -> int:
    if reserve.disk is None:
        return 0
    return _kept_back(node, "ephemeral-storage") - parse_bytes(reserve.disk)


def _kept_back(node: Mapping[str, Any], resource: str) -> int:
    """Return capacity minus allocatable, rounded down: parse_bytes rounds what pods get up."""
    status = _status(node)
    return parse_bytes(status["capacity"][resource]) - parse_bytes(status["allocatable"][resource])


def _status(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return node.get("status") or {}
