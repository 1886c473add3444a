"""Digests over what was decided from, so that a decision can be replayed and compared."""

import hashlib
import json
from collections.abc import Mapping

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune.api.vmworkload import Backend
from schedune.decision.decide import Decision
from schedune.fleet.column import Mask
from schedune.fleet.fleet import Fleet
from schedune.launch.intent import Intent


def digest_of(value: object) -> str:
    """Return the sha256 of the canonical JSON form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def input_digest(decision: Decision) -> str:
    """Digest the intent, the policy, the truths, the claims and the verdicts.

    Ages of proofs stay out: they change with every heartbeat, the verdicts do not.
    """
    question = decision.question
    return digest_of_inputs(decision.fleet, question.intent, question.policy, decision.launchable)


def digest_of_inputs(
    fleet: Fleet, intent: Intent, policy: SchedulingPolicy, launchable: Mapping[Backend, Mask]
) -> str:
    """Return the same from the parts of a decision."""
    digest = hashlib.sha256(fleet.content_digest())
    digest.update(intent.demands.encode())
    digest.update(policy.model_dump_json().encode())
    for name in sorted(fleet.claims.sums):
        digest.update(fleet.claims.sums[name].tobytes())
    digest.update(fleet.kept.tobytes())
    for mask in launchable.values():
        digest.update(mask.tobytes())
    return f"sha256:{digest.hexdigest()}"
