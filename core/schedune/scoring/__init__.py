"""How much an eligible node is preferred: 0 to 100 each, weighted, all shown."""

from collections.abc import Sequence

from schedune.api.vmworkload import Backend
from schedune.eligibility.finding import Question
from schedune.fleet.column import Mask
from schedune.scoring.history import rate_calm, rate_failures, rate_spread
from schedune.scoring.resources import rate_balance, rate_fit
from schedune.scoring.score import Part, Score, total
from schedune.scoring.wishes import (
    rate_affinity,
    rate_artifacts,
    rate_backends,
    rate_capabilities,
)

SCORES: tuple[Score, ...] = (
    Score("ResourceFit", lambda weights: weights.resource_fit, rate_fit, claimed=True),
    Score("ResourceBalance", lambda weights: weights.resource_balance, rate_balance, claimed=True),
    Score("Calm", lambda weights: weights.calm, rate_calm),
    Score("PreferredCapabilities", lambda w: w.preferred_capabilities, rate_capabilities),
    Score("PreferredAffinity", lambda weights: weights.preferred_affinity, rate_affinity),
    Score("TopologySpread", lambda weights: weights.topology_spread, rate_spread, claimed=True),
    Score("ArtifactsVerified", lambda weights: weights.artifacts_verified, rate_artifacts),
    Score("RecentFailures", lambda weights: weights.recent_failures, rate_failures),
)


CLAIMED_SCORES: tuple[Score, ...] = tuple(score for score in SCORES if score.claimed)


def rate(
    question: Question, launchable: dict[Backend, Mask], scores: Sequence[Score] = SCORES
) -> list[Part]:
    """Return every part that the intent gives a meaning to, of these and the backends' rank."""
    weights = question.policy.weights
    parts = []
    for score in scores:
        weight = score.weight(weights)
        values = score.rate(question) if weight else None
        if values is not None:
            parts.append(Part(score.name, weight, values))
    ranks = rate_backends(question, launchable) if weights.backend_rank else None
    if ranks is not None:
        parts.append(Part("BackendRank", weights.backend_rank, ranks))
    return parts


__all__ = ["CLAIMED_SCORES", "SCORES", "Part", "Score", "rate", "total"]
