"""How well the VM fits: room left or filled, and in what proportion."""

import numpy as np

from schedune.api.scheduling_policy import Profile
from schedune.eligibility.demand import free_memory, free_vcpus, ordinary_memory
from schedune.eligibility.finding import Question
from schedune.fleet.column import Column
from schedune.scoring.score import percent


def _left(question: Question) -> tuple[Column, Column]:
    """Return what would be left of vCPUs and memory, in percent of what is declared."""
    view, intent = question.view, question.intent
    offered = view.number("vcpus") * question.policy.vcpu_overcommit_percent // 100
    vcpus = percent(free_vcpus(view, question.policy) - intent.vcpus, offered)
    memory = percent(free_memory(view) - ordinary_memory(intent), view.number("memory"))
    return vcpus, memory


def rate_fit(question: Question) -> Column:
    """Like room that is left (Spread), or little of it (Pack)."""
    vcpus, memory = _left(question)
    left = np.asarray((vcpus + memory) // 2, np.int64)
    return left if question.policy.profile is Profile.SPREAD else np.asarray(100 - left, np.int64)


def rate_balance(question: Question) -> Column:
    """Like nodes of which vCPUs and memory are used in the same proportion."""
    vcpus, memory = _left(question)
    return np.asarray(100 - np.abs(vcpus - memory), np.int64)
