"""Can the node do what the intent needs, and is what is known of it young enough?"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import placement
from schedune.codes.row import Reason
from schedune.eligibility.finding import Finding, Question
from schedune.fleet.profile import microseconds
from schedune.fleet.view import View
from schedune.launch.capabilities import DENIED, KVM, YES, answer_of, row_of, testify
from schedune.launch.traits import TRAITS, TUN

KVM_ATOM: Final = f"capability/{KVM}"
_SECOND: Final = 1_000_000
_WAYS: Final = ("Unsupported", "Unavailable", DENIED, "Unknown")


def needed(question: Question) -> list[str]:
    """Return the capabilities that the intent needs, named by it or by what it asks for."""
    intent = question.intent
    names = list(intent.spec.placement.required_capabilities)
    if intent.acceleration is Acceleration.KVM:
        names.insert(0, KVM)
    if "Tap" in intent.needs.network_types:
        names.append(TUN)
    return list(dict.fromkeys(names))


def check_capabilities(question: Question) -> Iterable[Finding]:
    """Object, for each capability, in its own way of no."""
    for name in needed(question):
        yield from _check(question, name)


def _check(question: Question, name: str) -> Iterator[Finding]:
    view = question.view
    column = view.fleet.keyed("capability", name)
    held = {answer_of(state) for state in column.values}
    for way in _WAYS:
        if way in held:
            yield Finding(
                f"capability/{name}",
                row_of(name, way),
                view.known & view.ask_keyed("capability", name, partial(_is, way)),
                partial(_reason, view, name, way),
                change=partial(_change, view, name, way),
            )


def check_ages(question: Question) -> Iterable[Finding]:
    """Object where an answer that the intent relies on is yes, but was given too long ago."""
    for name in needed(question):
        yield from _check_age(question, name, f"capability/{name}", None)
    for backend in question.intent.backends:
        traits = TRAITS[backend]
        for name in (traits.capability, *traits.needs):
            yield from _check_age(question, name, f"backend/{backend}/{name}/age", backend)


def _check_age(
    question: Question, name: str, atom: str, backend: Backend | None
) -> Iterator[Finding]:
    view, now = question.view, microseconds(question.now)
    ends = view.keyed_number("capability_end", name)
    late = view.known & (ends < now)
    if not late.any():
        return
    yes = view.ask_keyed("capability", name, partial(_is, YES))
    yield Finding(
        atom,
        placement.CAPABILITY_STALE,
        late & yes,
        lambda at: Reason(
            placement.CAPABILITY_STALE, f"{-(-(now - int(ends[at])) // _SECOND)} s", "0 s", name
        ),
        change=lambda at: f"{name} is observed again",
        backend=backend,
    )


def _is(way: str, state: object) -> bool:
    return answer_of(state) == way  # type: ignore[arg-type]


def _reason(view: View, name: str, way: str, at: int) -> Reason:
    return testify(name, way, view.node(at).facts)


def _change(view: View, name: str, way: str, at: int) -> str:
    told = testify(name, way, view.node(at).facts)
    return f"it has {told.required} (now: {told.observed})"
