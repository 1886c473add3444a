"""Rules between VMs, judged against the placements that hold now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from schedune.api.vmworkload import TopologySpread, WorkloadSelector
from schedune.codes import placement
from schedune.codes.row import Reason, Row
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.eligibility.labels import accepted_labels, label
from schedune.fleet.column import Column
from schedune.fleet.fleet import Fleet
from schedune.fleet.node import OUT_OF_SERVICE, ClaimRecord
from schedune.fleet.peers import selects
from schedune.fleet.profile import microseconds
from schedune.fleet.view import View
from schedune.launch.intent import Intent

HARD: Final = "DoNotSchedule"
_SECOND: Final = 1_000_000


def selected(fleet: Fleet, intent: Intent, selector: WorkloadSelector) -> Iterator[ClaimRecord]:
    """Return the claims of other workloads of the namespace that a selector means."""
    for claim in fleet.claims.held.values():
        if (
            claim.namespace == intent.namespace
            and claim.workload_uid != intent.uid
            and selects(selector, claim.peer.labels)
        ):
            yield claim


def check_live(question: Question) -> Iterable[Finding]:
    """Object everywhere while a VM of this very workload still runs somewhere."""
    view = question.view
    names = sorted(view.fleet.live.get(question.intent.uid, ())) if question.intent.uid else []
    held = [name for name in names if not is_fenced(question, name)]
    if not held:
        return
    told = ", ".join(held)
    yield Finding(
        "liveVM",
        placement.LIVE_VM,
        view.every(),
        lambda at: Reason(placement.LIVE_VM, told, "its end"),
        change=lambda at: f"the VM on {told} has ended",
    )


def is_fenced(question: Question, node_name: str) -> bool:
    """Say whether what a node last told of its VMs counts no more.

    Somebody asserts that the machine is off, and it is silent.
    """
    fleet = question.view.fleet
    node = fleet.nodes[fleet.row[node_name]]
    if not any(taint.key == OUT_OF_SERVICE for taint in node.taints):
        return False
    silent_for = microseconds(question.now) - node.last_heard
    return silent_for > node.lease_seconds * _SECOND


def check_anti_affinity(question: Question) -> Iterable[Finding]:
    """Object to every node of a place that holds a workload to keep away from."""
    view, intent = question.view, question.intent
    for number, rule in enumerate(intent.spec.placement.anti_affinity):
        key = rule.topology_key
        taken = _places(view.fleet, key, selected(view.fleet, intent, rule.workload_selector))
        if taken:
            atom = f"antiAffinity/{number}/{key}"
            yield _away_from(view, atom, placement.ANTI_AFFINITY, key, taken)


def check_existing_anti_affinity(question: Question) -> Iterable[Finding]:
    """Object to every node of a place in which somebody keeps this workload away.

    As in Kubernetes a rule holds for whoever comes later, too.
    """
    view, intent = question.view, question.intent
    found: dict[str, list[ClaimRecord]] = {}
    for key, holders in view.fleet.claims.keepers.of(intent.namespace, intent.labels):
        others = [
            one for one in holders.values() if not intent.uid or one.workload_uid != intent.uid
        ]
        found.setdefault(key, []).extend(others)
    for key in sorted(found):
        taken = _places(view.fleet, key, found[key])
        if taken:
            atom = f"existingAntiAffinity/{key}"
            yield _away_from(view, atom, placement.EXISTING_ANTI_AFFINITY, key, taken)


def _places(fleet: Fleet, key: str, claims: Iterable[ClaimRecord]) -> dict[str, str]:
    """Return who holds each place: of several the first by name, whenever they came.

    All are of the namespace that is told of it.
    """
    taken: dict[str, str] = {}
    for claim in claims:
        value = _place(fleet, claim.node_name, key)
        if value is not None:
            told = f"VM {claim.workload}" if claim.workload else f"placement {claim.placement_uid}"
            taken[value] = min(taken.get(value, told), told)
    return taken


def _away_from(view: View, atom: str, row: Row, key: str, taken: Mapping[str, str]) -> Finding:
    return Finding(
        atom,
        row,
        view.ask_keyed("label", key, partial(_is_taken, taken)),
        partial(_taken, view, row, key, taken),
        change=partial(_taken_change, view, row, key),
        words=partial(view.codes, view.fleet.keyed("label", key)),
    )


def _taken(view: View, row: Row, key: str, taken: Mapping[str, str], at: int) -> Reason:
    holder = taken[view.node(at).labels[key]]
    return Reason(row, holder, "an empty place", key)


def _taken_change(view: View, row: Row, key: str, at: int) -> str:
    whom = "to keep away from" if row is placement.ANTI_AFFINITY else "that keeps this one away"
    return f"{label(view, key, at)} holds no workload {whom}"


def _is_taken(taken: Mapping[str, str], value: str | None) -> bool:
    return value in taken


def _place(fleet: Fleet, node_name: str, key: str) -> str | None:
    row = fleet.row.get(node_name)
    return None if row is None else fleet.nodes[row].labels.get(key)


@dataclass(frozen=True, eq=False, slots=True)
class Spread:
    """How many selected workloads each place of a topology holds."""

    counts: Mapping[str, int]
    fewest: int
    own: int
    """1: the workload is one of those that it is spread among, 0: it only keeps away."""

    def skew(self, value: str | None) -> int:
        """Return the difference to the emptiest place that one more here would make."""
        return self.counts.get(value or "", 0) + self.own - self.fewest


def spread_of(
    fleet: Fleet, intent: Intent, rule: TopologySpread, *, everywhere: bool = False
) -> Spread:
    """Count, over all places with a node whose labels the intent accepts, what such nodes hold.

    So does Kubernetes, by its default nodeAffinityPolicy "Honor": a place in which the
    workload may not be cannot be the emptiest one. ``everywhere``: over all nodes.
    """
    column, view = fleet.keyed("label", rule.topology_key), View(fleet)
    among = view.every() if everywhere else accepted_labels(view, intent)
    held = {column.values[code] for code in np.unique(column.codes[among]).tolist()}
    counts: Counter[str] = Counter({value: 0 for value in held if value is not None})
    counted = set[tuple[str, str]]()
    for claim in selected(fleet, intent, rule.workload_selector):
        row = fleet.row.get(claim.node_name)
        value = column.values[column.codes[row]] if row is not None and among[row] else None
        # One on its way from node to node counts in both places, and in one place once.
        which = (value or "", claim.workload_uid or claim.placement_uid)
        if value is not None and which not in counted:
            counted.add(which)
            counts[value] += 1
    own = int(selects(rule.workload_selector, intent.labels))
    return Spread(counts, min(counts.values(), default=0), own)


def check_spread(question: Question) -> Iterable[Finding]:
    """Object where one more would make a place too full over the emptiest one."""
    view, intent = question.view, question.intent
    for number, rule in enumerate(intent.spec.placement.topology_spread):
        if rule.when_unsatisfiable != HARD:
            continue
        key, spread = rule.topology_key, spread_of(view.fleet, intent, rule)
        # Where other labels would have to be accepted first, others would count then, too.
        anywhere = spread_of(view.fleet, intent, rule, everywhere=True)
        atom = f"topologySpread/{number}/{key}"
        yield Finding(
            atom,
            placement.SPREAD_LABEL_MISSING,
            view.ask_keyed("label", key, _is_missing),
            partial(_label_missing, key),
            change=partial(_label_change, key),
        )
        skews = np.where(
            accepted_labels(view, intent),
            _skews(question, key, spread),
            _skews(question, key, anywhere),
        )
        labelled = ~view.ask_keyed("label", key, _is_missing)
        yield Finding(
            atom,
            placement.SPREAD_SKEW,
            np.asarray((skews > rule.max_skew) & labelled, np.bool_),
            partial(_skewed, skews, rule),
            bound=Bound("maxSkew", "AtLeast", skews, str, str(rule.max_skew)),
        )


def _skewed(skews: Column, rule: TopologySpread, at: int) -> Reason:
    return Reason(placement.SPREAD_SKEW, str(skews[at]), str(rule.max_skew), rule.topology_key)


def _skews(question: Question, key: str, spread: Spread) -> Column:
    column = question.view.fleet.keyed("label", key)
    table = np.array(column.answers(spread.skew), np.int64)
    return np.asarray(table[question.view.codes(column)], np.int64)


def _is_missing(value: str | None) -> bool:
    return value is None


def _label_missing(key: str, _at: int) -> Reason:
    return Reason(placement.SPREAD_LABEL_MISSING, f"no {key}", key, key)


def _label_change(key: str, _at: int) -> str:
    return f"the Node is labelled with {key}"
