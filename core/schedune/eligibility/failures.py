"""Where this workload has just failed: left out for a while, then liked less.

What failed is a pair, the backend on the node, where the backend was what failed; else the
node. A pair that failed is tried no second time without cause while another backend can
run the VM on that node.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from schedune.api.vmworkload import Attempt, Backend
from schedune.codes import execution, placement
from schedune.codes.execution import BEFORE_GUEST
from schedune.codes.row import Reason, Row, Stage
from schedune.codes.table import TABLE
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.column import Column, Mask
from schedune.fleet.profile import NodeProfile, microseconds
from schedune.launch.intent import Intent
from schedune.launch.traits import TRAITS

_SECOND = 1_000_000
_MOST_DOUBLINGS = 10
_OF_BACKENDS: Final = frozenset({
    execution.SPAWN_FAILED.code, execution.EXITED_EARLY.code, execution.READY_TIMEOUT.code,
    execution.PREPARATION_FAILED.code,
    *(row.code for row in TABLE.values() if row.stage is Stage.LAUNCH_VALIDATION),
})  # fmt: skip
"""Codes of failures that another backend on the same node may well not have."""
_OF_NODES: Final = (
    BEFORE_GUEST | frozenset(row.code for row in TABLE.values() if row.stage is Stage.ELIGIBILITY)
) - _OF_BACKENDS
FAILURES: Final = _OF_BACKENDS | _OF_NODES
"""Codes with which an attempt ended before its guest was ready."""


def failures_on(
    history: Sequence[Attempt], node_name: str, backend: Backend | None = None
) -> tuple[int, Attempt | None]:
    """Return the failures in a row of a node, or of a backend on it, and the last of them.

    An attempt whose backend is not known counts against the node.
    """
    count, last = 0, None
    for one in reversed(history):
        if one.node_name != node_name or (backend and one.backend is not backend):
            continue
        row = TABLE.get(one.code or "")
        if row is None or row.code not in FAILURES or one.end_time is None:
            break
        if _is_of_backend(one, row) is bool(backend):
            count, last = count + 1, last or one
    return count, last


def _is_of_backend(attempt: Attempt, row: Row) -> bool:
    return attempt.backend is not None and row.code in _OF_BACKENDS


def back_off_seconds(question: Question, failures: int) -> int:
    """Return how long a node is left out after so many failures in a row."""
    return question.policy.failure_back_off_seconds << min(failures - 1, _MOST_DOUBLINGS)


def check_recent_failures(question: Question) -> Iterable[Finding]:
    """Object while the back-off after a failure of this workload here lasts.

    Failures of what was asked for before say nothing of what is asked for now: whoever mends
    the spec does not wait.
    """
    if question.intent.history:
        yield _recent(question, None)
        for backend in question.intent.backends:
            yield _recent(question, backend)


def _recent(question: Question, backend: Backend | None) -> Finding:
    view, intent = question.view, question.intent
    ages, waits = np.zeros(len(view), np.int64), np.zeros(len(view), np.int64)
    told: dict[int, str] = {}
    same = [one for one in intent.history if one.generation in (None, intent.generation)]
    for at in _rows_named(question):
        count, last = failures_on(same, view.node(at).name, backend)
        if last is not None:
            ages[at] = _age_seconds(question, last)
            waits[at] = back_off_seconds(question, count)
            told[at] = f"{TRAITS[backend].label}: {last.code}" if backend else str(last.code)
    return Finding(
        f"backend/{backend}/recentFailure" if backend else "recentFailure",
        placement.RECENT_FAILURE,
        np.asarray(waits > ages, np.bool_),
        lambda at: Reason(
            placement.RECENT_FAILURE, f"{ages[at]} s", f"{waits[at] - ages[at]} s", told[at]
        ),
        change=lambda at: f"{waits[at] - ages[at]} s have passed",
        backend=backend,
    )


def _rows_named(question: Question) -> list[int]:
    """Return the rows of the nodes that the history names."""
    names = {one.node_name for one in question.intent.history}
    view = question.view
    return [at for at in range(len(view)) if view.node(at).name in names]


def _age_seconds(question: Question, failure: Attempt) -> int:
    if failure.end_time is None:
        raise ValueError("an attempt that has not ended has not failed")
    return (microseconds(question.now) - microseconds(failure.end_time)) // _SECOND


def without_repeats(question: Question, launchable: Mapping[Backend, Mask]) -> dict[Backend, Mask]:
    """Leave out, where another backend can run the VM, those that failed there.

    A cause to try one again is a change: of the node's facts, or of what is asked for.
    """
    kept = dict(launchable)
    intent, view = question.intent, question.view
    if len(kept) < 2 or not intent.history:
        return kept
    for at in _rows_named(question):
        node = view.node(at)
        able = [backend for backend, mask in launchable.items() if mask[at]]
        failed = [backend for backend in able if _would_repeat(intent, node, backend)]
        if len(failed) < len(able):
            for backend in failed:
                kept[backend] = kept[backend].copy()
                kept[backend][at] = False
    return kept


def _would_repeat(intent: Intent, node: NodeProfile, backend: Backend) -> bool:
    _, last = failures_on(intent.history, node.name, backend)
    then = (last.truth_digest, last.generation) if last is not None else None
    return then == (node.digest, intent.generation)


def decay_percent(question: Question) -> Column:
    """Return how much of the last failure still counts on each row: 100 just now, later 0."""
    view, intent = question.view, question.intent
    percent = np.zeros(len(view), np.int64)
    decay = question.policy.failure_decay_seconds
    for at in _rows_named(question):
        name = view.node(at).name
        for backend in (None, *intent.backends):
            _, last = failures_on(intent.history, name, backend)
            if last is not None:
                age = max(0, _age_seconds(question, last))
                percent[at] = max(percent[at], 100 - 100 * age // decay)
    return percent
