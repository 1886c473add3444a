"""Nodes on which this workload has just failed: left out for a while, then liked less."""

from collections.abc import Iterable

import numpy as np

from schedune.codes import placement
from schedune.codes.execution import BEFORE_GUEST
from schedune.codes.row import Reason, Stage
from schedune.codes.table import TABLE
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.column import Column
from schedune.fleet.profile import microseconds
from schedune.launch.intent import Intent

_SECOND = 1_000_000
_MOST_DOUBLINGS = 10
_REFUSALS = frozenset(
    row.code for row in TABLE.values() if row.stage in (Stage.ELIGIBILITY, Stage.LAUNCH_VALIDATION)
)
FAILURES = BEFORE_GUEST | _REFUSALS
"""Codes with which an attempt ended before its guest was ready."""


def failures_on(intent: Intent, node_name: str) -> tuple[int, int, str]:
    """Return the failures in a row on a node, when the last ended (microseconds), and its code."""
    count, ended, code = 0, 0, ""
    for one in reversed(intent.history):
        if one.node_name != node_name:
            continue
        row = TABLE.get(one.code or "")
        if row is None or row.code not in FAILURES or one.end_time is None:
            break
        count += 1
        if count == 1:
            ended, code = microseconds(one.end_time), row.code
    return count, ended, code


def back_off_seconds(question: Question, failures: int) -> int:
    """Return how long a node is left out after so many failures in a row."""
    return question.policy.failure_back_off_seconds << min(failures - 1, _MOST_DOUBLINGS)


def check_recent_failures(question: Question) -> Iterable[Finding]:
    """Object while the back-off after a failure of this workload here lasts."""
    view, intent = question.view, question.intent
    if not intent.history:
        return
    ages, waits = np.zeros(len(view), np.int64), np.zeros(len(view), np.int64)
    told: dict[int, str] = {}
    names = {one.node_name for one in intent.history}
    for at in range(len(view)):
        if view.node(at).name in names:
            count, ended, code = failures_on(intent, view.node(at).name)
            if count:
                ages[at] = (microseconds(question.now) - ended) // _SECOND
                waits[at] = back_off_seconds(question, count)
                told[at] = code
    yield Finding(
        "recentFailure",
        placement.RECENT_FAILURE,
        np.asarray(waits > ages, np.bool_),
        lambda at: Reason(
            placement.RECENT_FAILURE, f"{ages[at]} s", f"{waits[at] - ages[at]} s", told[at]
        ),
        change=lambda at: f"{waits[at] - ages[at]} s have passed",
    )


def decay_percent(question: Question) -> Column:
    """Return how much of the last failure still counts on each row: 100 just now, later 0."""
    view, intent = question.view, question.intent
    percent = np.zeros(len(view), np.int64)
    names = {one.node_name for one in intent.history}
    decay = question.policy.failure_decay_seconds
    for at in range(len(view)):
        if view.node(at).name in names:
            count, ended, _ = failures_on(intent, view.node(at).name)
            if count:
                age = (microseconds(question.now) - ended) // _SECOND
                percent[at] = max(0, 100 - 100 * max(age, 0) // decay)
    return percent
