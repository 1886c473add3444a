"""What is missing, broken or not known on a node, those that concern most VMs first."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from schedune.api.choices import Backend
from schedune.api.nodetruth import Capability, CapabilityState, NodeTruthStatus
from schedune.codes.row import Precedence
from schedune.codes.table import TABLE
from schedune.decision.causes import Cause
from schedune.examination.form import NodeProblem, Reach
from schedune.examination.question import Stands
from schedune.launch.traits import TRAITS

_CAPABILITY: Final = "capability/"
_BACKEND: Final = "backend/"
_GRAVE: Final = ("Error", "Critical")
_SUCCEEDED: Final = "Succeeded"


def problems_of(
    status: NodeTruthStatus,
    stands: Stands,
    asked: Sequence[Backend],
    unasked: Sequence[tuple[Cause, Reach]],
) -> list[NodeProblem]:
    """Return every problem once, under the widest of its reaches.

    ``stands`` is what is against a launch as asked, by one of the backends ``asked``;
    ``unasked`` is told, and not held against the node.
    """
    capabilities = {one.name: one for one in status.capabilities}
    found = [
        *_of_launch(stands, asked, capabilities),
        *(_of_cause(one, None, reach, capabilities) for one, reach in unasked),
        *_of_probes(status),
        *_of_health(status),
        *_of_constraints(status),
        *_of_capabilities(status.capabilities),
    ]
    order = list(Reach)
    first: dict[tuple[str, str], NodeProblem] = {}
    for one in sorted(found, key=lambda one: order.index(one.reach)):
        first.setdefault((one.subject, one.code), one)
    return sorted(first.values(), key=_rank)


def _rank(one: NodeProblem) -> tuple[int, str, str, str]:
    row = TABLE.get(one.code)
    precedence = row.precedence if row else Precedence.INFORMATION
    return [*Reach].index(one.reach), precedence.value, one.subject, one.code


def _of_launch(
    stands: Stands, asked: Sequence[Backend], capabilities: dict[str, Capability]
) -> Iterator[NodeProblem]:
    """A backend that cannot is nobody's loss while another one of those asked for can."""
    for cause in stands.common:
        yield _of_cause(cause, None, Reach.EVERY_VM, capabilities)
    none_can = all(stands.backends[one] for one in asked)
    for backend, causes in stands.backends.items():
        reach = Reach.NOTICE
        if backend in asked:
            reach = Reach.EVERY_VM if none_can and not stands.common else Reach.SOME_VMS
        for cause in causes:
            yield _of_cause(cause, backend, reach, capabilities)


def _of_cause(
    cause: Cause, backend: Backend | None, reach: Reach, capabilities: dict[str, Capability]
) -> NodeProblem:
    """Tell a cause in the words of the capability that it rests on, where the node has them."""
    name = _capability_of(cause, backend)
    fact = capabilities.get(name)
    if fact is not None and fact.state is not CapabilityState.SUPPORTED:
        return _of_capability(fact, reach, cause.reason.row.remedy)
    row = cause.reason.row
    subject = name or (backend.value if backend else cause.atom)
    return NodeProblem(
        subject=subject, code=row.code, reach=reach, message=cause.reason.message, remedy=row.remedy
    )


def _capability_of(cause: Cause, backend: Backend | None) -> str:
    """Return the capability that a cause is about; "": about none."""
    if backend is None:
        head, _, rest = cause.atom.partition(_CAPABILITY)
        return "" if head else rest
    rest = cause.atom.removeprefix(f"{_BACKEND}{backend.value}/")
    traits = TRAITS[backend]
    return traits.capability if rest == "binary" else rest if rest in traits.needs else ""


def _of_capability(fact: Capability, reach: Reach, remedy: str = "") -> NodeProblem:
    row = TABLE.get(fact.reason_code)
    return NodeProblem(
        subject=fact.name,
        code=fact.reason_code,
        reach=reach,
        state=fact.state.value,
        message=fact.message or fact.value or "",
        source=fact.source,
        method=fact.method,
        remedy=(row.remedy if row else "") or remedy,
    )


def _of_capabilities(capabilities: Iterable[Capability]) -> Iterator[NodeProblem]:
    """Name what could be put right, and what nobody could find out."""
    for fact in capabilities:
        told = _of_capability(fact, Reach.NOTICE)
        is_open = fact.state is CapabilityState.UNKNOWN
        if fact.state is not CapabilityState.SUPPORTED and (told.remedy or is_open):
            yield told


def _of_probes(status: NodeTruthStatus) -> Iterator[NodeProblem]:
    for run in status.probes:
        if run.outcome == _SUCCEEDED:
            continue
        code = run.reason_code or ""
        row = TABLE.get(code)
        yield NodeProblem(
            subject=f"probe {run.name}",
            code=code,
            reach=Reach.SOME_VMS,
            state=run.outcome,
            message=row.cause if row else "its facts are not known",
            remedy=row.remedy if row else "",
        )


def _of_health(status: NodeTruthStatus) -> Iterator[NodeProblem]:
    for alarm in status.health.alarms if status.health else ():
        row = TABLE.get(alarm.code)
        yield NodeProblem(
            subject="alarm",
            code=alarm.code,
            reach=Reach.SOME_VMS if alarm.severity in _GRAVE else Reach.NOTICE,
            state=alarm.severity,
            message=alarm.message,
            remedy=row.remedy if row else "",
        )


def _of_constraints(status: NodeTruthStatus) -> Iterator[NodeProblem]:
    for one in status.constraints:
        row = TABLE.get(one.code)
        yield NodeProblem(
            subject=f"constraint {one.type}",
            code=one.code,
            reach=Reach.NOTICE,
            message=f"{one.observed} (in order: {one.expected})",
            remedy=row.remedy if row else "",
        )
