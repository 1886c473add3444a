"""Kinds about where a workload goes: evaluate, schedule, plan."""

from collections.abc import Sequence
from typing import Any, Final

from schedune.api.vmworkload import VMWorkload
from schedune.fleet.node import NodeRecord
from schedune_cli.importing.documents import import_document
from schedune_cli.importing.notes import Imported
from schedune_cli.importing.workload import ImportPolicy
from schedune_conformance import engine
from schedune_conformance.answer import Answers, NotExpressibleError
from schedune_conformance.corpus import Case, Document
from schedune_conformance.lifecycle import moment
from schedune_conformance.words import TELEMETRY, TOKENS, families_of
from schedune_conformance.world import FIRMWARE, bootable, node_of

_NOWHERE: Final[dict[str, Any]] = {"selected_node": None, "selected_backend": ""}
POLICY: Final = ImportPolicy(firmware=FIRMWARE)


def import_workload(document: Document) -> VMWorkload:
    """Import a document that becomes a workload.

    Raises:
        NotExpressibleError: no VMWorkload says what it says.
    """
    found = import_document(document, POLICY)
    if isinstance(found, Imported) and isinstance(found.manifest, VMWorkload):
        return found.manifest
    raise NotExpressibleError(f"README 7: {'; '.join(map(str, _problems(found)))}")


def _problems(found: object) -> Sequence[object]:
    return found if isinstance(found, tuple) else ()


def decide_case(case: Case, workload: VMWorkload) -> engine.Judged:
    """Decide about the nodes of a case."""
    nodes = [node_of(one, workload) for one in _latest(case.envelopes())]
    return engine.decide_on(nodes, workload, moment(case.now))


def _latest(envelopes: list[Document]) -> list[Document]:
    """Keep the last envelope of each node: the original's store has one."""
    return list({one["node_id"]: one for one in envelopes}.values())


def answer_evaluate(case: Case) -> Answers:
    """Judge one node for one intent."""
    workload = bootable(import_workload(case.raw["intent"]))
    decision = decide_case(case, workload)
    objections = engine.objections(decision, 0)
    families = families_of(objections)
    facts = _facts(decision.nodes[0])
    expected = case.expected
    ours = {
        "eligible": bool(decision.eligible[0]),
        "codes": sorted({one.code for one in objections}),
        "freshness_ok": TELEMETRY not in families,
        "compatibility_ok": "REJECT_COMPATIBILITY_CLASS_MISMATCH" not in families,
        "health_ok": "REJECT_NODE_UNHEALTHY" not in families,
        "matched_features": engine.matched_preferences(workload, facts),
    }
    wanted = {name: expected[name] for name in ours}
    wanted["codes"] = sorted({*expected["codes"]})
    stale = engine.stale_parts(decision.nodes[0], decision.now)
    evidence = {"families": families, "decision": decision, "objections": objections}
    return Answers(wanted, ours, {**evidence, "stale": stale})


def _facts(node: NodeRecord) -> Any:
    assert node.truth is not None
    return node.truth.status


def answer_schedule(case: Case) -> Answers:
    """Decide about a fleet."""
    workload = bootable(import_workload(case.raw["intent"]))
    decision = decide_case(case, workload)
    ours: dict[str, Any] = {
        **_verdicts(decision),
        "eligible": decision.chosen is not None,
        "ties_by_name": _are_ties_by_name(decision),
    }
    expected = case.expected
    wanted = {
        "ranked": sorted(name for name, _ in expected["ranked"]),
        "rejected": {name: sorted({*codes}) for name, codes in expected["rejected"].items()},
        "eligible": expected["eligible"],
        "ties_by_name": True,
    }
    return Answers(wanted, ours, {"families": _families(decision), "decision": decision})


def _verdicts(decision: engine.Judged) -> dict[str, Any]:
    """Return who is eligible, and the codes against the others."""
    ranked, rejected = [], {}
    for index, node in enumerate(decision.nodes):
        if decision.eligible[index]:
            ranked.append(node.name)
        else:
            rejected[node.name] = sorted({one.code for one in engine.objections(decision, index)})
    return {"ranked": sorted(ranked), "rejected": rejected}


def _families(decision: engine.Judged) -> dict[str, set[str]]:
    return {
        node.name: families_of(engine.objections(decision, index))
        for index, node in enumerate(decision.nodes)
    }


def _are_ties_by_name(decision: engine.Judged) -> bool:
    """Say whether nodes of one score stand in the order of their names' bytes."""
    ranked = [(-score, name.encode()) for score, name in decision.ranked()]
    return ranked == sorted(ranked)


def plan_document(case: Case) -> Document:
    """Put the request of a plan together."""
    return {
        "workload_intent": case.raw["intent"],
        "launch_template": case.raw["template"],
        "mode": case.raw["mode"],
        "target_node_id": case.raw["target"],
    }


def answer_plan(case: Case) -> Answers:
    """Plan one workload; intent and template are one object here."""
    expected = case.expected
    wanted = {name: expected[name] for name in ("status", "selected_node", "codes")}
    wanted["rejected"] = {name: sorted({*codes}) for name, codes in expected["rejected"].items()}
    wanted["selected_backend"] = expected["selected_backend"] or ""
    found = import_document(plan_document(case), POLICY)
    if not isinstance(found, Imported) or not isinstance(found.manifest, VMWorkload):
        ours = {"status": "Refused", "codes": [], "rejected": {}, **_NOWHERE}
        return Answers(wanted, ours, {"refused": found})
    decision = decide_case(case, found.manifest)
    target = case.raw["target"] or case.raw["template"].get("node_id")
    evidence = {"families": _families(decision), "decision": decision, "target": target}
    return Answers(wanted, _plan(decision), evidence)


def _plan(decision: engine.Judged) -> dict[str, Any]:
    chosen = decision.chosen
    rejected = _verdicts(decision)["rejected"]
    if chosen is None:
        codes = sorted({code for found in rejected.values() for code in found})
        return {"status": "Rejected", "codes": codes, "rejected": rejected, **_NOWHERE}
    return {
        "status": "Ready",
        "codes": [],
        "rejected": rejected,
        "selected_node": decision.nodes[chosen].name,
        "selected_backend": TOKENS[decision.backend_on(chosen)],
    }
