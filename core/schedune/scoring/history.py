"""What is wrong with a node now, and what went wrong there: alarms, failures, crowding."""

import numpy as np

from schedune.eligibility.company import spread_of
from schedune.eligibility.failures import decay_percent
from schedune.eligibility.finding import Question
from schedune.fleet.column import Column

_PER_ALARM = 20


def rate_calm(question: Question) -> Column:
    """Like nodes without alarms: 100 without, 20 less for each."""
    return np.asarray(np.maximum(0, 100 - _PER_ALARM * question.view.number("alarms")), np.int64)


def rate_failures(question: Question) -> Column | None:
    """Like nodes on which this workload has not failed lately; a failure fades with time."""
    if not question.intent.history:
        return None
    return np.asarray(100 - decay_percent(question), np.int64)


def rate_spread(question: Question) -> Column | None:
    """Like places that hold few of the workloads that shall be spread."""
    rules = question.intent.spec.placement.topology_spread
    if not rules:
        return None
    view = question.view
    liked = np.full(len(view), 100, np.int64)
    for rule in rules:
        spread = spread_of(view.fleet, question.intent, rule)
        most = max(spread.counts.values(), default=0) + 1
        column = view.fleet.keyed("label", rule.topology_key)
        table = [
            0 if value is None else 100 - 100 * spread.counts.get(value, 0) // most
            for value in column.values
        ]
        liked = np.minimum(liked, np.array(table, np.int64)[view.codes(column)])
    return np.asarray(liked, np.int64)
