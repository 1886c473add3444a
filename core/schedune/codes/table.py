"""The whole table, assembled from the stages' rows."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schedune.codes import (
    alarms,
    confinement,
    device_probes,
    disks,
    eligibility,
    execution,
    fencing,
    firecracker,
    guest_data,
    host_probes,
    imported,
    intent,
    launch,
    networks,
    node_class,
    placement,
    probes,
    recovery,
    security_probes,
    summary,
    vmm_probes,
)
from schedune.codes.row import Row


def _rows() -> dict[str, Row]:
    modules = (
        intent, eligibility, placement, launch, summary, execution, disks, recovery, probes, imported,
        device_probes, security_probes, vmm_probes, node_class,
        host_probes, alarms, firecracker, guest_data, confinement, networks, fencing,
    )  # fmt: skip
    return {
        value.code: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Row)
    }


TABLE: Final[Mapping[str, Row]] = MappingProxyType(_rows())
"""Every row by its code."""
