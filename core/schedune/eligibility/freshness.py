"""May the facts still be believed? Judged when asked, never frozen."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from schedune.codes import eligibility as codes
from schedune.codes.row import Actor, Reason
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.column import Column
from schedune.fleet.profile import NEVER, microseconds

_SECOND: Final = 1_000_000
_OWN_WORD: Final = frozenset({
    "cpu", "kvm", "qemu", "cloud-hypervisor", "firecracker", "artifacts", "memory", "os", "disks",
    "devices", "security",
    "clock", "limits",
})  # fmt: skip
"""Probes whose facts say by themselves that they are unknown when the probe fails.

Not here are those of which an empty answer says that all is well: probes that only raise
alarms, and the inventory of persistent disks.
"""


def check_known(question: Question) -> Iterable[Finding]:
    """Object where there are no facts, or facts of another Node of this name.

    Everything else that would be asked of such a node is unknown for this one cause,
    so the other checks stay silent about it.
    """
    view = question.view
    yield Finding(
        "truth",
        codes.TRUTH_MISSING,
        ~view.known,
        lambda at: Reason(codes.TRUTH_MISSING, view.node(at).unknown, "a NodeTruth with facts"),
        change=lambda at: "its agent publishes facts",
    )


def ages_seconds(question: Question) -> Column:
    """Return whole seconds since the last proof of each node's facts, rounded up."""
    age = microseconds(question.now) - question.view.number("last_proof")
    return np.asarray(-(-age // _SECOND), np.int64)


def check_age(question: Question) -> Iterable[Finding]:
    """Object where the Lease has run out, and where the intent asks for fresher facts."""
    view = question.view
    ages, leases = ages_seconds(question), view.number("lease_seconds")
    limit = question.intent.spec.placement.max_truth_age_seconds
    never = view.number("last_proof") == NEVER
    silent = view.known & (never | (ages > leases))
    yield Finding(
        "heartbeat",
        codes.TELEMETRY_STALE,
        silent,
        lambda at: Reason(
            codes.TELEMETRY_STALE,
            "an unknown time" if never[at] else f"{ages[at]} s",
            f"{min(int(leases[at]), limit)} s",
        ),
        change=lambda at: (
            f"a heartbeat comes (limit {min(int(leases[at]), limit)} s, "
            + ("never seen)" if never[at] else f"last {ages[at]} s ago)")
        ),
    )
    yield Finding(
        "maxTruthAgeSeconds",
        codes.TELEMETRY_STALE,
        view.known & ~silent & (ages > limit),
        lambda at: Reason(codes.TELEMETRY_STALE, f"{ages[at]} s", f"{limit} s"),
        bound=Bound("maxTruthAgeSeconds", "AtLeast", ages, str, str(limit)),
        actor=Actor.USER,
    )


def check_clock(question: Question) -> Iterable[Finding]:
    """Object where the last proof lies in the future: one of two clocks is wrong."""
    view, allowed = question.view, question.policy.clock_skew_seconds
    ahead = -ages_seconds(question)
    yield Finding(
        "clock",
        codes.CLOCK_SKEW,
        view.known & (ahead > allowed),
        lambda at: Reason(codes.CLOCK_SKEW, f"{ahead[at]} s", f"{allowed} s"),
        change=lambda at: "the clocks agree",
    )


def check_probes(question: Question) -> Iterable[Finding]:
    """Object where a probe failed of which nobody knows what it would have said."""
    view = question.view

    def unexplained(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if name not in _OWN_WORD]

    def failed(at: int) -> str:
        facts = view.node(at).facts
        return ", ".join(unexplained(facts.failed_probes)) if facts else ""

    yield Finding(
        "probes",
        codes.PROBE_FAILED,
        view.known & view.ask("failed_probes", lambda names: bool(unexplained(names))),
        lambda at: Reason(codes.PROBE_FAILED, failed(at), "probes that answer"),
        change=lambda at: f"its probes answer ({failed(at)})",
    )
