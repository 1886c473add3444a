"""The fleet at a glance, for people."""

from schedune.explaining.glance import FleetGlance, NodeGlance
from schedune.telling.page import Page, Tone, counted, listed
from schedune.telling.words import aged

_TITLE = ("NODE", "STATE", "ARCH", "KVM", "CLASS", "FRESH", "VCPUS", "MEMORY", "VMS", "BACKENDS")
_MOST_NAMED = 3


def render_glance(told: FleetGlance, page: Page) -> str:
    """Return the fleet as a table, and the repairs under it."""
    rows = [_TITLE, *(_row(node) for node in told.nodes)]
    tones = [
        Tone.GOOD if node.state == ["Ready"] and node.freshness == "Fresh" else Tone.BAD
        for node in told.nodes
    ]
    lines = page.table(rows, tones)
    free = "free of all"
    lines += ["", f"{counted(len(told.nodes), 'node')} at {told.time:%Y-%m-%dT%H:%M:%SZ};"
              f" VCPUS and MEMORY: {free} that VMs may use."]  # fmt: skip
    return "\n".join([*lines, *_repairs(told, page)]) + "\n"


def _row(node: NodeGlance) -> tuple[str, ...]:
    fresh = "never" if node.proof_age_seconds is None else _age(node.proof_age_seconds)
    return (
        node.node_name,
        ",".join(node.state),
        node.architecture,
        node.kvm,
        node.compatibility_class,
        fresh if node.freshness == "Fresh" else f"{node.freshness.lower()}: {fresh}",
        f"{node.vcpus_free}/{node.vcpus}" if node.vcpus is not None else "undeclared",
        f"{node.memory_free}/{node.memory}" if node.memory else "undeclared",
        str(node.vms),
        ", ".join(node.backends) or "-",
    )


def _age(seconds: int) -> str:
    return aged(seconds) if seconds >= 0 else f"{aged(-seconds)} ahead"


def _repairs(told: FleetGlance, page: Page) -> list[str]:
    if not told.workloads:
        return []
    over = counted(told.workloads, "workload")
    if not told.repairs:
        return ["", f"No single repair would free a node for any of {over}."]
    lines = ["", page.paint(f"Single repairs that would help most, over {over}", Tone.TITLE)]
    rows = [("REPAIR", "VMS", "PAIRS", "NODES", "WHAT WOULD BE PUT RIGHT")]
    for one in told.repairs:
        nodes = listed(one.nodes[:_MOST_NAMED], len(one.nodes))
        rows.append((one.demand, str(len(one.workloads)), str(one.pairs), nodes, one.change))
    return [
        *lines,
        *page.table(rows),
        "VMS: workloads that have no node now and would have one."
        " PAIRS: of workload and node that would become eligible.",
    ]
