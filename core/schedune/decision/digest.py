"""Digests over what was decided from, so that a decision can be replayed and compared."""

import hashlib
import json

from schedune.decision.decide import Decision


def digest_of(value: object) -> str:
    """Return the sha256 of the canonical JSON form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def input_digest(decision: Decision) -> str:
    """Digest the intent, the policy, the truths, the claims and the verdicts.

    Ages of proofs stay out: they change with every heartbeat, the verdicts do not.
    """
    fleet, question = decision.fleet, decision.question
    digest = hashlib.sha256(fleet.content_digest())
    digest.update(question.intent.demands.encode())
    digest.update(question.policy.model_dump_json().encode())
    for name in sorted(fleet.claims.sums):
        digest.update(fleet.claims.sums[name].tobytes())
    for mask in decision.launchable.values():
        digest.update(mask.tobytes())
    return f"sha256:{digest.hexdigest()}"
