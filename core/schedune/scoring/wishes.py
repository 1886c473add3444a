"""What the intent would like: capabilities, labels, a backend, files that are verified."""

from typing import cast

import numpy as np

from schedune.api.vmworkload import Backend
from schedune.eligibility.finding import Question
from schedune.eligibility.labels import term_holds
from schedune.fleet.column import Column, Mask
from schedune.fleet.profile import ArtifactProfile, microseconds
from schedune.launch.capabilities import State, answer_of


def rate_capabilities(question: Question) -> Column | None:
    """Like nodes that have the preferred capabilities, known and not too old."""
    names = list(dict.fromkeys(question.intent.spec.placement.preferred_capabilities))
    if not names:
        return None
    held = np.zeros(len(question.view), np.int64)
    for name in names:
        held += _has(question, name)
    return np.asarray(held * 100 // len(names), np.int64)


def _has(question: Question, name: str) -> Mask:
    view = question.view
    yes = view.ask_keyed("capability", name, _is_yes)
    return np.asarray(
        yes & (view.keyed_number("capability_end", name) >= microseconds(question.now)), np.bool_
    )


def _is_yes(state: object) -> bool:
    return not answer_of(cast("State", state))


def rate_affinity(question: Question) -> Column | None:
    """Like nodes on which preferred terms hold, each by its weight."""
    affinity = question.intent.spec.placement.node_affinity
    terms = affinity.preferred if affinity else []
    if not terms:
        return None
    held = np.zeros(len(question.view), np.int64)
    for one in terms:
        held += term_holds(question.view, one.preference) * one.weight
    return np.asarray(held * 100 // sum(one.weight for one in terms), np.int64)


def rate_artifacts(question: Question) -> Column:
    """Like nodes that have computed the digest of the files that the guest uses."""
    view, needs = question.view, question.intent.needs.artifacts
    verified = np.zeros(len(view), np.int64)
    for need in needs:
        verified += view.ask_keyed("artifact", need.name, _is_verified)
    return np.asarray(verified * 100 // max(len(needs), 1), np.int64)


def _is_verified(found: object) -> bool:
    return isinstance(found, ArtifactProfile) and found.sha256 is not None


def rate_backends(question: Question, launchable: dict[Backend, Mask]) -> Column | None:
    """Like nodes on which the backend that the intent names first can launch it."""
    order = list(launchable)
    if len(order) < 2:
        return None
    ranks = np.zeros(len(question.view), np.int64)
    for place, backend in reversed(list(enumerate(order))):
        value = 100 - 100 * place // len(order)
        ranks = np.where(launchable[backend], value, ranks)
    return np.asarray(ranks, np.int64)
