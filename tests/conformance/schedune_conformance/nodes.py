"""Kinds about one node: project, explain."""

from collections.abc import Mapping
from typing import Any, Final

from schedune.api.nodetruth import HealthState, NodeTruthStatus
from schedune.api.vmworkload import VMWorkload
from schedune.codes.imported import CAP_NOT_EXPLAINED
from schedune.fleet.node import NodeRecord
from schedune_cli.importing.words import ARCHITECTURES
from schedune_conformance import engine
from schedune_conformance.answer import Answers
from schedune_conformance.corpus import Case
from schedune_conformance.lifecycle import moment
from schedune_conformance.words import TELEMETRY, families_of
from schedune_conformance.world import node_of

_OUR_ARCHITECTURES: Final = {ours.value: theirs for theirs, ours in ARCHITECTURES.items()}
_KVM: Final = "REJECT_MISSING_KVM"
_CLASS: Final = "REJECT_COMPATIBILITY_CLASS_MISMATCH"


def answer_project(case: Case) -> Answers:
    """Import an envelope and read the truth back as the original's record."""
    (envelope,) = case.envelopes()
    node = node_of(envelope, None)
    now = moment(case.now)
    stale = engine.stale_parts(node, now)
    ours = {**_record(node), "IsStale": bool(stale), "StaleCollectors": stale}
    assert node.truth is not None
    for capability in node.truth.status.capabilities:
        ours["Capabilities"][capability.name]["IsStale"] = engine.is_stale(capability, now)
    ours["eligible"] = not stale
    record = case.expected["record"]
    return Answers({**_expected_record(record), "eligible": case.expected["eligible"]}, ours)


def _record(node: NodeRecord) -> dict[str, Any]:
    assert node.truth is not None
    facts = node.truth.status
    assert facts.cpu is not None
    assert facts.memory is not None
    assert facts.os is not None
    assert facts.health is not None
    return {
        "ID": node.name,
        "Architecture": _OUR_ARCHITECTURES.get(facts.cpu.architecture, facts.cpu.architecture),
        "Hostname": facts.os.hostname,
        "TotalCores": facts.cpu.cores,
        "TotalMemoryMB": facts.memory.total_bytes // 2**20,
        "Health": facts.health.state.value,
        "Alarms": len(facts.health.alarms),
        "Class": facts.compatibility_class,
        "ClassReasons": facts.compatibility_reasons,
        "Capabilities": {one.name: _capability(one.state.value, one.reason_code, one.value)
                         for one in facts.capabilities},
        "Constraints": {one.code: (one.type, one.observed, one.expected)
                        for one in facts.constraints},
        "CollectionID": facts.digest,
    }  # fmt: skip


def _capability(state: str, code: str, version: str | None) -> dict[str, Any]:
    told = "" if code == CAP_NOT_EXPLAINED.code else code
    return {"State": state, "ReasonCode": told, "Version": version or ""}


def _expected_record(record: Mapping[str, Any]) -> dict[str, Any]:
    capabilities = {
        name: {key: one[key] for key in ("State", "ReasonCode", "Version", "IsStale")}
        for name, one in record["Capabilities"].items()
    }
    return {
        "ID": record["ID"],
        **{key: value for key, value in record["Identity"].items() if key in _IDENTITY},
        "Health": record["Health"]["State"],
        "Alarms": len(record["Health"]["ActiveAlarms"] or []),
        "Class": record["Compatibility"]["Class"],
        "ClassReasons": record["Compatibility"]["ReasonCodes"],
        "Capabilities": capabilities,
        "Constraints": {code: (one["ConstraintType"], one["ObservedValue"], one["ExpectedValue"])
                        for code, one in record["Constraints"].items()},
        "CollectionID": record["Freshness"]["LastCollectionID"],
        "IsStale": record["Freshness"]["IsStale"],
        "StaleCollectors": {*record["Freshness"]["StaleCollectors"]},
    }  # fmt: skip


_IDENTITY: Final = frozenset({"Architecture", "Hostname", "TotalCores", "TotalMemoryMB"})


def answer_explain(case: Case) -> Answers:
    """Ask the engine the questions that the original answers about a node."""
    (envelope,) = case.envelopes()
    node = node_of(envelope, None)
    assert node.truth is not None
    facts = node.truth.status
    families = {
        wanted: _families(case, node, wanted)
        for wanted in ("ArmProduction", "X86HoldingPool", "Unsupported")
    }
    fresh = TELEMETRY not in families["ArmProduction"]
    healthy = _is_healthy(facts)
    in_class = {wanted: healthy and _CLASS not in found for wanted, found in families.items()}
    ours = {
        "is_fresh": fresh,
        "can_join_arm_production_pool": fresh and in_class["ArmProduction"],
        "is_only_eligible_for_holding": in_class["X86HoldingPool"],
        "is_healthy_but_policy_ineligible": in_class["Unsupported"],
    }
    evidence: dict[str, Any] = {
        "can_run_kvm": fresh and _KVM not in families["ArmProduction"],
        "facts": facts,
    }
    evidence["stale"] = engine.stale_parts(node, moment(case.now))
    return Answers({name: case.expected[name] for name in ours}, ours, evidence)


def _is_healthy(facts: NodeTruthStatus) -> bool:
    return facts.health is not None and facts.health.state is HealthState.HEALTHY


def _families(case: Case, node: NodeRecord, wanted_class: str) -> set[str]:
    """Ask the engine what stands against a plain KVM guest that wants this class."""
    guest = {
        "runtimeClass": "VirtualMachine",
        "architecture": "Any",
        "resources": {"vcpus": 1, "memory": "16Mi"},
        "boot": {"kernel": {"artifact": "kernel"}},
        "placement": {"compatibilityClasses": [wanted_class], "maxTruthAgeSeconds": 86400},
    }
    workload = VMWorkload.model_validate({"metadata": {"name": "guest"}, "spec": guest})
    decision = engine.decide_on([node], workload, moment(case.now))
    return families_of(engine.objections(decision, 0))
