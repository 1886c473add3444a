"""Can at least one backend launch the VM on the node? Asked of every (node, backend) pair."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, cast

import numpy as np

from schedune.api.quantity import render_bytes, render_needed
from schedune.api.vmworkload import Backend
from schedune.codes import launch as codes
from schedune.codes.row import Actor, Reason, Row
from schedune.eligibility.boot_memory import boot_memory_atom, check_boot_memory, whole
from schedune.eligibility.capabilities import KVM_ATOM
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.column import Coded, Mask
from schedune.fleet.profile import ArtifactProfile, BackendProfile
from schedune.launch.artifacts import Found
from schedune.launch.backends import judge_binary, judge_request
from schedune.launch.capabilities import State, answer_of
from schedune.launch.needs import BackendNeeds
from schedune.launch.traits import TRAITS
from schedune.launch.validate import judge_kernel

_OWN_ATOM: Final = {
    codes.VERSION_TOO_OLD.code: "version",
    codes.VERSION_MISMATCH.code: "version",
    codes.VERSION_UNKNOWN.code: "version",
    codes.VERSION_UNPARSEABLE.code: "version",
    codes.VERSION_BELOW_FLOOR.code: "floor",
    codes.STORAGE_FORMAT_INVALID.code: "diskFormat",
    codes.ACCELERATION_UNAVAILABLE.code: "acceleration",
    codes.MACHINE_TYPE_MISSING.code: "machineType",
    codes.DEVICE_MISSING.code: "devices",
}
"""Which demand a finding about a binary belongs to; the rest are about there being one."""


def check_backends(question: Question) -> Iterable[Finding]:
    """Object, for each backend of its own, with everything that stands against it.

    A binary without KVM on a node without KVM is a consequence, not a second cause.
    """
    intent, policy = question.intent, question.policy
    for backend in intent.backends:
        need = BackendNeeds(
            backend,
            intent.needs,
            intent.version_of(backend),
            tuple(policy.version_floors),
            tuple(policy.backends),
        )
        yield from _check_request(question, need)
        yield from _check_binary(question, need)
        yield from _check_node(question, need)
        yield from _check_kernel(question, need)
        yield from check_boot_memory(question, need)


def _check_request(question: Question, need: BackendNeeds) -> Iterator[Finding]:
    """What a backend can never do stands against it on every node."""
    every = question.view.every()
    for number, reason in enumerate(judge_request(need)):
        bound = _bound(need, reason, len(every))
        yield Finding(
            f"backend/{need.backend}/request/{number}",
            reason.row,
            every,
            partial(_same, reason),
            change=partial(_request_change, reason) if bound is None else None,
            bound=bound,
            backend=need.backend,
            follows=boot_memory_atom(need) if reason.row is codes.MEMORY_TOO_SMALL else None,
        )


def _bound(need: BackendNeeds, reason: Reason, rows: int) -> Bound | None:
    """Return the number that a backend takes, where it is a number that it does not."""
    traits, launch = TRAITS[need.backend], need.launch
    if reason.row is codes.TOO_MANY_VCPUS and traits.most_vcpus is not None:
        most = np.full(rows, traits.most_vcpus, np.int64)
        return Bound("vcpus", "AtMost", most, str, str(launch.vcpus), launch.vcpus)
    if reason.row is not codes.MEMORY_TOO_SMALL:
        return None
    least = whole(np.full(rows, traits.least_memory, np.int64), need)
    return Bound("memory", "AtLeast", least, render_bytes, render_needed(launch.memory_bytes))


def _same(reason: Reason, _at: int) -> Reason:
    return reason


def _request_change(reason: Reason, _at: int) -> str:
    return f"the workload is changed ({reason.row.remedy})"


def _check_binary(question: Question, need: BackendNeeds) -> Iterator[Finding]:
    """Judge every distinct set of binaries once, with what the node says of the probe."""
    view, name = question.view, TRAITS[need.backend].capability
    binaries, said = view.fleet.coded["backends"], view.fleet.keyed("capability", name)
    sets, states = view.codes(binaries), view.codes(said)
    width = max(len(said.values), 1)
    pairs = sets.astype(np.int64) * width + states
    seen = np.zeros(len(binaries.values) * width, np.bool_)
    seen[pairs] = True
    distinct = np.flatnonzero(seen)
    place = np.zeros(len(seen), np.intp)
    place[distinct] = np.arange(len(distinct))
    where = place[pairs]
    known = binaries.remembered((need, name))
    answers = []
    for pair in distinct.tolist():
        held, state = divmod(pair, width)
        # By its value: a column that was let go of numbers its values anew when it comes back.
        key = held, said.values[state]
        if key not in known:
            known[key] = _judge_binary(need, binaries.values[held], said.values[state])
        answers.append(cast("list[Reason]", known[key]))
    yield from _spread(need.backend, answers, where, view.known)


def _judge_binary(need: BackendNeeds, held: object, said: object) -> list[Reason]:
    binaries, architecture = cast("tuple[tuple[BackendProfile, ...], str]", held)
    return list(judge_binary(need, binaries, architecture, cast("State", said)))


def _spread(
    backend: Backend, answers: Sequence[list[Reason]], where: np.ndarray, among: Mask
) -> Iterator[Finding]:
    """Make one finding for each code of answers that many rows share."""
    rows: dict[str, Row] = {one.row.code: one.row for found in answers for one in found}
    for code in sorted(rows):
        reasons = [next((one for one in found if one.row.code == code), None) for found in answers]
        table = np.array([one is not None for one in reasons], np.bool_)
        objects = np.asarray(table[where] & among, np.bool_)
        if objects.any():
            yield Finding(
                f"backend/{backend}/{_OWN_ATOM.get(code, 'binary')}",
                rows[code],
                objects,
                partial(_shared, reasons, where),
                change=partial(_shared_change, reasons, where),
                backend=backend,
                follows=KVM_ATOM if code == codes.ACCELERATION_UNAVAILABLE.code else None,
                words=lambda: where,
            )


def _shared(reasons: Sequence[Reason | None], where: np.ndarray, at: int) -> Reason:
    reason = reasons[int(where[at])]
    if reason is None:
        raise LookupError("nothing stands against this node")
    return reason


def _shared_change(reasons: Sequence[Reason | None], where: np.ndarray, at: int) -> str:
    reason = _shared(reasons, where, at)
    if reason.row.actor is Actor.USER:
        return f"{reason.subject} {reason.observed} is accepted (asked {reason.required})"
    return f"it has {reason.required} (now: {reason.observed})"


def _check_node(question: Question, need: BackendNeeds) -> Iterator[Finding]:
    """Object where a capability of the node is not there without which nothing is launched."""
    view, traits = question.view, TRAITS[need.backend]
    for name, row in traits.needs.items():
        column = view.fleet.keyed("capability", name)
        objects = view.known & view.ask_keyed("capability", name, _is_no)
        if objects.any():
            codes_of = view.codes(column)
            yield Finding(
                f"backend/{need.backend}/{name}",
                row,
                objects,
                partial(_capability, column, codes_of, row, traits.label),
                backend=need.backend,
            )


def _is_no(state: object) -> bool:
    return bool(answer_of(cast("State", state)))


def _capability(
    column: Coded[object], codes_of: np.ndarray, row: Row, label: str, at: int
) -> Reason:
    state = cast("State", column.values[int(codes_of[at])])
    return Reason(row, state[1] if state else "the node has not said", "Supported", label)


def _check_kernel(question: Question, need: BackendNeeds) -> Iterator[Finding]:
    """Object where the kernel's format is none that the backend boots."""
    kernel, traits = need.launch.kernel, TRAITS[need.backend]
    if kernel is None or not traits.kernel_formats:
        return
    view = question.view
    column = view.fleet.keyed("artifact", kernel.name)
    for architecture in sorted(set(view.fleet.coded["architecture"].values)):
        here = view.known & view.ask("architecture", partial(_equal, architecture))
        refused = partial(_kernel_refused, need, architecture)
        objects = here & view.ask_keyed("artifact", kernel.name, refused)
        if objects.any():
            yield Finding(
                f"backend/{need.backend}/kernelFormat",
                codes.KERNEL_FORMAT_INVALID,
                objects,
                partial(_kernel, need, architecture, column, view.codes(column)),
                backend=need.backend,
                words=partial(view.codes, column),
            )


def _equal(wanted: str, found: str) -> bool:
    return wanted == found


def _kernel_refused(need: BackendNeeds, architecture: str, found: object) -> bool:
    return judge_kernel(need, cast("Found", found), architecture) is not None


def _kernel(
    need: BackendNeeds,
    architecture: str,
    column: Coded[object],
    codes_of: np.ndarray,
    at: int,
) -> Reason:
    found = cast("ArtifactProfile", column.values[int(codes_of[at])])
    reason = judge_kernel(need, found, architecture)
    if reason is None:
        raise LookupError("nothing stands against this kernel")
    return reason
