"""The workloads: a list, and one of them explained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schedune.api.text import shorten
from schedune_kube.client import Raw
from schedune_kube.reflector import Key
from schedune_operator.seen.page.explanation import explained
from schedune_operator.seen.page.frame import (
    badge,
    choice,
    frame,
    lines,
    note,
    question,
    search,
    sheet_of,
)
from schedune_operator.seen.page.markup import Markup, Piece, link, piece, table, tag
from schedune_operator.seen.reading import Reading
from schedune_operator.seen.standing import WorkloadState, codes_against, workload_state

_TITLES: Final = ("Workload", "State", "Reason", "Node", "Eligible", "Message")
_LONGEST: Final = 160
_TONES_WHEN_TRUE: Final = {"Stalled": "stalled", "Reconciling": "starting"}
"""What is true is good, but for these."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A workload as lists show it."""

    key: Key
    raw: Raw
    state: WorkloadState
    codes: tuple[str, ...]
    """What keeps it from having a node."""

    @property
    def status(self) -> dict[str, Any]:
        """What the operator wrote."""
        return self.raw.get("status") or {}


def listed(reading: Reading) -> list[Listed]:
    """Return every workload, by namespace and name."""
    found = []
    for key, raw in sorted(reading.workloads().items()):
        state = workload_state(raw)
        found.append(Listed(key, raw, state, tuple(codes_against(raw, state))))
    return found


def workloads(reading: Reading, query: Mapping[str, str], number: int) -> str:
    """Return a part of the list of workloads."""
    state, code, part = (query.get(name, "") for name in ("state", "code", "q"))
    everything = listed(reading)
    found = [
        one
        for one in everything
        if (not state or one.state.value == state)
        and (not code or code in one.codes)
        and part in "/".join(one.key)
    ]
    sheet = sheet_of(found, number)
    codes = sorted({code for one in everything for code in one.codes})
    form = question(
        "workloads",
        choice("state", [one.value for one in WorkloadState], state, "State"),
        choice("code", codes, code, "Kept from nodes by"),
        search(part, "Name holds"),
    )
    shown = rows_of(sheet.shown) if sheet.shown else piece(None)
    ways = sheet.ways("workloads", {"state": state, "code": code, "q": part})
    return frame(reading, "Workloads", "workloads", form, sheet.told("workloads"), shown, ways)


def rows_of(found: Iterable[Listed]) -> Markup:
    """Return workloads as a table; their names lead to the explanation."""
    return table(_TITLES, map(_row, found))


def _row(one: Listed) -> tuple[Piece, ...]:
    evaluation, node = one.status.get("evaluation") or {}, one.status.get("nodeName")
    eligible = (
        f"{evaluation.get('nodesEligible', '?')}/{evaluation.get('nodesEvaluated', '?')}"
        if evaluation
        else "-"
    )
    return (
        link("/".join(one.key), "workloads", *one.key),
        badge(one.state.value),
        str(one.status.get("reason") or "-"),
        link(node, "nodes", node) if node else "-",
        eligible,
        shorten(_message(one), _LONGEST),
    )


def _message(one: Listed) -> str:
    conditions = one.status.get("conditions") or ()
    return next((str(c.get("message", "")) for c in conditions if c.get("type") == "Ready"), "")


def workload(reading: Reading, key: Key) -> str | None:
    """Return one workload explained; None: it is not there."""
    raw = reading.workloads().get(key)
    if raw is None:
        return None
    one = Listed(key, raw, workload_state(raw), ())
    node, namespaced = one.status.get("nodeName"), "/".join(key)
    where = tag(
        "p", badge(one.state.value), " ", *(("on ", link(node, "nodes", node)) if node else ())
    )
    return frame(
        reading,
        namespaced,
        "workloads",
        where,
        tag("h2", "What its status says (kubectl describe)"),
        _why(one.status.get("why") or ()),
        tag("h2", "Judged now (schedune explain)"),
        lines(explained(reading, key, raw), f"schedune explain {key[1]} -n {key[0]}"),
        tag("h2", "Conditions"),
        _conditions(one.status.get("conditions") or ()),
        tag("h2", "Earlier attempts"),
        _history(one.status.get("history") or ()),
    )


def _why(told: Sequence[str]) -> Markup:
    return lines(told, "Why, as in kubectl describe") if told else note("Nothing is told yet.")


def _conditions(held: Sequence[Mapping[str, Any]]) -> Markup:
    if not held:
        return note("None yet.")
    rows = [
        (
            one.get("type", ""),
            badge(str(one.get("status", "")), _tone(one)),
            one.get("reason", ""),
            one.get("message", ""),
            tag("time", one.get("lastTransitionTime", "")),
        )
        for one in held
    ]
    return table(("Condition", "Status", "Reason", "Message", "Since"), rows)


def _tone(condition: Mapping[str, Any]) -> str:
    match condition.get("status"):
        case "True":
            return _TONES_WHEN_TRUE.get(condition.get("type", ""), "yes")
        case "False":
            return "no"
        case _:
            return "unknown"


def _history(held: Sequence[Mapping[str, Any]]) -> Markup:
    if not held:
        return note("None.")
    rows = [
        [
            one.get(name) or "-"
            for name in ("attempt", "nodeName", "backend", "code", "exitReason", "endTime")
        ]
        for one in reversed(held)
    ]
    return table(("Attempt", "Node", "Backend", "Code", "Exit", "Ended"), rows, "n")
