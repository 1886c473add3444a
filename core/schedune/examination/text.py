"""One node as a page: what stands against it first, then what it can do, then every fact."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from schedune.api.nodetruth import Capability, CapabilityState, NodeTruthStatus
from schedune.examination.facts import age_of, rows_of
from schedune.examination.form import (
    Answer,
    Heartbeat,
    LaunchAnswer,
    NodeExamination,
    NodeProblem,
    Reach,
    Seen,
)
from schedune.launch.traits import TRAITS
from schedune.telling.page import Page, Tone, counted, printable
from schedune.telling.words import aged

_ON_THE_PAGE: Final = (
    "capabilities", "compatibility_class", "compatibility_reasons", "conditions", "digest",
    "observed_time", "probes", "why",
)  # fmt: skip
"""Parts of a truth that have a place of their own, or only repeat the rest."""
_DECLARED_ABOVE: Final = ("scheduling",)
_TITLES: Final = {
    Reach.EVERY_VM: "Against every launch as asked",
    Reach.SOME_VMS: "Against some VMs",
    Reach.NOTICE: "To know: counts only for workloads that ask for it",
}
_TONES: Final = {Reach.EVERY_VM: Tone.BAD, Reach.SOME_VMS: Tone.DOUBTFUL, Reach.NOTICE: Tone.PLAIN}
_STATES: Final = {
    CapabilityState.SUPPORTED: Tone.GOOD,
    CapabilityState.UNSUPPORTED: Tone.PLAIN,
    CapabilityState.UNKNOWN: Tone.DOUBTFUL,
    CapabilityState.UNAVAILABLE: Tone.BAD,
}
_VERDICTS: Final = {
    Answer.CAN_LAUNCH: Tone.GOOD,
    Answer.CANNOT_LAUNCH: Tone.BAD,
    Answer.TOO_OLD: Tone.DOUBTFUL,
}
_PLACES: Final = {
    Seen.THIS_MACHINE: "this machine",
    Seen.CLUSTER: "as the cluster knows it",
    Seen.RECORDING: "as it was recorded",
}
_INDENT: Final = "  "


def render_examination(told: NodeExamination, page: Page) -> str:
    """Return the page; the verdict stands at its end, where a terminal shows it.

    It is wrapped wherever it goes: nobody searches it line by line.
    """
    page = page.for_people()
    blocks = [
        _head(told, page),
        *_problems(told, page),
        _launches(told, page),
        *_capabilities(told, page),
        _facts(told, page),
        *_probes(told.status, page),
        _verdict(told, page),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _head(told: NodeExamination, page: Page) -> list[str]:
    name = page.paint(printable(told.node_name), Tone.TITLE)
    lines = [f"{name}  ({_PLACES[told.seen]}, {told.time:%Y-%m-%dT%H:%M:%SZ})"]
    observed = told.status.observed_time
    if observed is not None and told.seen is not Seen.THIS_MACHINE:
        lines += page.paragraph(f"Facts last changed {age_of(observed, told.time)}.")
    if told.heartbeat is not None:
        lines += page.paragraph(_beat(told.heartbeat))
    if told.node is not None:
        taints = ", ".join(told.node.taints) or "none"
        lines += page.paragraph(
            f"Node: Ready {told.node.ready}, {told.node.scheduling.lower()}, taints {taints};"
            f" VMs: {told.spec.scheduling.value}."
        )
    return lines


def _beat(beat: Heartbeat) -> str:
    proof = "never proved" if beat.proof_age_seconds is None else f"proved {_ago(beat)}"
    lease = {
        "Vouched": "the Lease vouches for exactly these facts",
        "Other": "the Lease vouches for other facts than these",
        "NoLease": "there is no Lease",
    }[beat.digest]
    if beat.lease_age_seconds is not None:
        lease += f", renewed {_seconds(beat.lease_age_seconds)}"
    return f"{beat.state}: {proof} (limit {beat.lease_duration_seconds} s); {lease}."


def _ago(beat: Heartbeat) -> str:
    return _seconds(beat.proof_age_seconds or 0)


def _seconds(age: int) -> str:
    return f"{aged(age)} ago" if age >= 0 else f"{aged(-age)} in the future"


def _problems(told: NodeExamination, page: Page) -> Iterator[list[str]]:
    if not told.problems:
        yield [page.paint("Problems", Tone.TITLE), f"{_INDENT}none"]
        return
    yield [page.paint("Problems", Tone.TITLE), *_grouped(told.problems, page)]


def _grouped(problems: Sequence[NodeProblem], page: Page) -> Iterator[str]:
    number = 0
    for reach in Reach:
        mine = [one for one in problems if one.reach is reach]
        if mine:
            yield page.paint(f"{_INDENT}{_TITLES[reach]}", _TONES[reach])
        for one in mine:
            number += 1
            yield from _problem(number, one, page)


def _problem(number: int, one: NodeProblem, page: Page) -> Iterator[str]:
    state = f": {one.state}" if one.state else ""
    lead = f"{_INDENT * 2}{number}. "
    under = " " * len(lead)
    yield from page.paragraph(f"{one.subject}{state}  [{one.code}]", lead, under)
    yield from page.paragraph(f"seen:   {one.message}", under, under + " " * 8)
    if (one.source or one.method) and one.reach is not Reach.NOTICE:
        how = "; ".join(part for part in (one.source, one.method) if part)
        yield from page.paragraph(f"how:    {how}", under, under + " " * 8)
    if one.remedy:
        yield from page.paragraph(f"remedy: {one.remedy}", under, under + " " * 8)


def _launches(told: NodeExamination, page: Page) -> list[str]:
    rows = [("BACKEND", "LAUNCHES", "UNDER", "VERSION", "WHY NOT")]
    tones = []
    for one in told.launches:
        rows.append((
            TRAITS[one.backend].label,
            "yes" if one.answer == "Can" else "no",
            one.acceleration.value,
            one.version or "-",
            _why_not(one),
        ))  # fmt: skip
        tones.append(Tone.GOOD if one.answer == "Can" else Tone.BAD)
    title = page.paint("What can be launched here, were its files here", Tone.TITLE)
    return [title, *page.table(rows, tones, _INDENT)]


def _why_not(one: LaunchAnswer) -> str:
    codes = list(dict.fromkeys(each.code for each in one.objections))
    if one.policy == "NotUsed":
        codes.append("the scheduling policy does not use it")
    return ", ".join(codes) or "-"


def _capabilities(told: NodeExamination, page: Page) -> Iterator[list[str]]:
    if not told.status.capabilities:
        return
    rows = [("CAPABILITY", "STATE", "AGE", "WHAT WAS SEEN, AND HOW")]
    tones = []
    for one in told.status.capabilities:
        for row in _capability_rows(one, told.time):
            rows.append(row)
            tones.append(_STATES[one.state] if row[1] else Tone.PLAIN)
    yield [page.paint("Capabilities", Tone.TITLE), *page.table(rows, tones, _INDENT)]


def _capability_rows(one: Capability, now: datetime) -> Iterator[tuple[str, str, str, str]]:
    seen = one.message or one.value or one.reason_code
    head = (one.name, one.state.value, aged(max(0, int((now - one.observed_time).total_seconds()))))
    value = f" ({one.value})" if one.value and one.value not in seen else ""
    yield *head, f"{seen}{value}"
    limit = f"believed for {aged(one.stale_after_seconds)}" if one.stale_after_seconds else ""
    how = "; ".join(part for part in (one.reason_code, one.source, one.method, limit) if part)
    yield "", "", "", how


def _facts(told: NodeExamination, page: Page) -> list[str]:
    lines = [page.paint("Facts", Tone.TITLE)]
    rows: list[tuple[str, str, str]] = []
    found = rows_of(told.status, told.time, _ON_THE_PAGE)
    declared = rows_of(told.spec, told.time, _DECLARED_ABOVE).rows
    group = ""
    for row in [*(replace(one, group=f"spec: {one.group}") for one in declared), *found.rows]:
        value = f"{row.value or '-'}  [{row.how}]" if row.how else row.value or "-"
        rows.append((row.group if row.group != group else "", row.name, value))
        group = row.group
    if rows:
        lines += page.table([("PART", "FACT", "VALUE"), *rows], (), _INDENT)
    if found.absent:
        lines += page.paragraph(f"None of: {', '.join(found.absent)}.", _INDENT, _INDENT * 2)
    if found.unknown:
        lines += page.paragraph(f"Not said: {', '.join(found.unknown)}.", _INDENT, _INDENT * 2)
    return lines


def _probes(status: NodeTruthStatus, page: Page) -> Iterator[list[str]]:
    if not status.probes:
        return
    rows = [("PROBE", "OUTCOME", "TOOK", "CODE")]
    tones = []
    for one in status.probes:
        took = f"{one.duration_milliseconds} ms"
        rows.append((one.name, one.outcome, took.rjust(7), one.reason_code or "-"))
        tones.append(Tone.GOOD if one.outcome == "Succeeded" else Tone.BAD)
    total = sum(one.duration_milliseconds for one in status.probes)
    title = f"{counted(len(status.probes), 'probe')}, {total} ms in sum"
    yield [page.paint(title, Tone.TITLE), *page.table(rows, tones, _INDENT)]


def _verdict(told: NodeExamination, page: Page) -> list[str]:
    verdict, status = told.verdict, told.status
    message = f"Verdict: {verdict.message}."
    lines = [page.paint(line, _VERDICTS[verdict.answer]) for line in page.paragraph(message)]
    reasons = ", ".join(status.compatibility_reasons)
    known = told.compatibility_class or "unknown"
    override = told.spec.compatibility_class
    if override is not None:
        reasons = f"set by an administrator: {override.reason}"
    told_class = f"Class {known}" + (f" ({reasons})" if reasons else "")
    health = status.health
    alarms = ", ".join(one.code for one in health.alarms) if health else ""
    constraints = ", ".join(one.code for one in status.constraints)
    state = health.state.value if health else "Unknown"
    return lines + page.paragraph(
        f"{told_class}; constraints: {constraints or 'none'}; health {state};"
        f" alarms: {alarms or 'none'}."
    )
