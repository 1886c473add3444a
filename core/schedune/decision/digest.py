"""Digests over what was decided from, so that a decision can be replayed and compared."""

import hashlib
import json

from schedune.decision.decide import Decision


def digest_of(value: object) -> str:
    """Return the sha256 of the canonical JSON form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def input_digest(decision: Decision) -> str:
    """Digest the intent, the truths, the claims and what else the checks looked at.

    Ages of proofs stay out: they change with every heartbeat, the verdicts do not.
    """
    fleet = decision.fleet
    nodes = [
        {
            "name": node.name,
            "uid": node.uid,
            "truth": node.truth.status.digest if node.truth else None,
            "scheduling": node.truth.spec.scheduling.value if node.truth else None,
            "ready": node.node_ready,
            "unschedulable": node.unschedulable,
            "labels": dict(node.labels),
            "taints": [[taint.key, taint.value, taint.effect] for taint in node.taints],
            "claimedVCPUs": int(fleet.claimed_vcpus[index]),
            "claimedMemory": int(fleet.claimed_memory[index]),
            "eligible": bool(decision.eligible[index]),
        }
        for index, node in enumerate(fleet.nodes)
    ]
    return digest_of({"intent": decision.intent.spec.render(), "nodes": nodes})
