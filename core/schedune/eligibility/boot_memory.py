"""Is there memory enough for the kernel to start? Asked of every (node, backend) pair."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from schedune.api.quantity import MAX_BYTES, render_bytes, render_needed
from schedune.api.vmworkload import Backend
from schedune.codes import launch as codes
from schedune.codes.row import Actor, Reason
from schedune.eligibility.demand import free_memory, free_pages, most_guest_memory
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.column import Coded, Column, Mask
from schedune.fleet.profile import BackendProfile
from schedune.fleet.view import View
from schedune.launch.artifacts import Found
from schedune.launch.boot_memory import (
    MEBI,
    judge_memory,
    memory_of_initrd,
    memory_of_kernel,
    needs_initrd_apart,
)
from schedune.launch.intent import MINIMUM_MEMORY
from schedune.launch.needs import BackendNeeds
from schedune.launch.overhead import vmm_overhead
from schedune.launch.traits import TRAITS


def check_boot_memory(question: Question, need: BackendNeeds) -> Iterable[Finding]:
    """Object where the kernel, with its initrd, takes more memory than is asked for."""
    view, kernel, initrd = question.view, need.launch.kernel, need.launch.initrd
    asked = need.launch.memory_bytes
    if kernel is None or not asked:
        return
    if asked >= _heaviest(view, need):
        return
    told = whole(_least(view, need), need)
    bound = Bound("memory", "AtLeast", told, render_bytes, render_needed(asked))
    objects = np.asarray(view.known & (_needed(view, need) > asked), np.bool_)
    beyond = objects & _is_beyond(question, told)

    def reason(at: int) -> Reason:
        row = view.row(at)
        kernels = view.fleet.keyed("artifact", kernel.name)
        initrds = view.fleet.keyed("artifact", initrd.name) if initrd else None
        found = judge_memory(need, kernels[row], initrds[row] if initrds is not None else None)
        if found is None:
            raise LookupError("nothing stands against so little memory")
        return found

    atom, row = boot_memory_atom(need), codes.KERNEL_EXCEEDS_MEMORY
    yield Finding(atom, row, objects & ~beyond, reason, bound=bound, backend=need.backend)
    if beyond.any():
        freed = _freed(question, told)
        yield Finding(
            atom,
            row,
            beyond,
            reason,
            change=lambda at: f"{bound.tell(at)}, and {freed(at)}",
            backend=need.backend,
            actor=Actor.ADMINISTRATOR,
        )


def _is_beyond(question: Question, told: Column) -> Mask:
    """Say where what suffices for this backend is not free, and no other check says so.

    The checks of what is free go by the backend that needs least, be it out for another
    reason: of this one alone nobody could say there how much is to be freed.
    """
    most = _most_free(question)
    least, _ = memory_floors(question, most)
    return np.asarray(question.view.declared & (most < told) & (least < told), np.bool_)


def _most_free(question: Question) -> Column:
    """Return the most guest memory that is free on each row."""
    view, size = question.view, question.intent.needs.page_size
    if size:
        return np.asarray(free_pages(view, size) // size * size, np.int64)
    return most_guest_memory(view, question.intent, question.policy)


def _freed(question: Question, told: Column) -> Callable[[int], str]:
    """Return how it is said that so much is given for the guest."""
    view, intent = question.view, question.intent
    size = intent.needs.page_size
    if size:
        pages = render_bytes(size)
        return lambda at: f"{render_needed(int(told[at]))} in huge pages of {pages} are freed"
    left, overhead = free_memory(view), vmm_overhead(intent.vcpus, intent.acceleration)
    return lambda at: (
        f"{render_needed(int(told[at]) + overhead)} of memory is freed"
        f" ({render_bytes(int(left[at]))} is left)"
    )


def boot_memory_atom(need: BackendNeeds) -> str:
    """Name the demand for memory that a kernel makes on a backend."""
    return f"backend/{need.backend}/bootMemory"


def memory_bound(most: Column, asked: int) -> Bound:
    """Return what is told of guest memory, in whole MiB: what is asked for is never made less."""
    whole = -(-asked // MEBI) * MEBI
    return Bound("memory", "AtMost", most, render_bytes, render_needed(asked), whole)


def memory_floors(question: Question, offered: Column) -> tuple[Column, Column]:
    """Return the guest memory with which a VM can start on each row: the least, the most.

    Of the intent's backends that a node has, one may need less than another. What is told to
    suffice has to suffice whichever launches. A node that has none may be given any. The
    least is 0 where one of them takes what is asked for. Where neither what is asked for nor
    what is offered instead (in whole MiB, or whole pages) is little, nothing is looked up.
    """
    view, intent = question.view, question.intent
    needs = [BackendNeeds(one, intent.needs) for one in intent.backends]
    heaviest = max(_heaviest(view, one) for one in needs)
    little = (offered >= MINIMUM_MEMORY) & (offered < heaviest)
    if intent.memory_bytes >= heaviest and not little.any():
        return np.zeros(len(view), np.int64), np.full(len(view), MINIMUM_MEMORY)
    has = [view.ask("backends", partial(_has, one)) for one in intent.backends]
    without = ~np.logical_or.reduce(has)
    least, most = np.full(len(view), MAX_BYTES), np.full(len(view), MINIMUM_MEMORY)
    for need, there in zip(needs, has, strict=True):
        needed, counts = _least(view, need), there | without
        told = whole(needed, need)
        most = np.where(counts, np.maximum(most, told), most)
        least = np.where(
            counts, np.minimum(least, np.where(needed > intent.memory_bytes, told, 0)), least
        )
    return least, most


def _has(backend: Backend, held: tuple[tuple[BackendProfile, ...], str]) -> bool:
    return any(one.name == backend for one in held[0])


def _heaviest(view: View, need: BackendNeeds) -> int:
    """Return the bytes with which a VM can start wherever these files are."""
    kernel, initrd = need.launch.kernel, need.launch.initrd
    least = TRAITS[need.backend].least_memory
    if kernel is None:
        return least
    kernels = view.fleet.keyed("artifact", kernel.name)
    needed = max(kernels.answers(partial(memory_of_kernel, need)), default=0)
    if needed and initrd is not None:
        initrds = view.fleet.keyed("artifact", initrd.name)
        needed += max(initrds.answers(memory_of_initrd), default=0)
    return max(least, needed)


def _needed(view: View, need: BackendNeeds) -> Column:
    """Return the bytes that kernel and initrd take on each row; 0: nobody knows."""
    kernel, initrd = need.launch.kernel, need.launch.initrd
    if kernel is None:
        return np.zeros(len(view), np.int64)
    kernels = view.fleet.keyed("artifact", kernel.name)
    of_kernel = view.codes(kernels)
    needed = _spread(kernels, of_kernel, partial(memory_of_kernel, need))
    if initrd is not None:
        initrds = view.fleet.keyed("artifact", initrd.name)
        apart = _spread(kernels, of_kernel, needs_initrd_apart) * (needed > 0)
        needed = needed + apart * _spread(initrds, view.codes(initrds), memory_of_initrd)
    return needed


def _least(view: View, need: BackendNeeds) -> Column:
    """Return what suffices for kernel and backend."""
    return np.maximum(_needed(view, need), TRAITS[need.backend].least_memory)


def whole(least: Column, need: BackendNeeds) -> Column:
    """Round up to what is told: whole MiB, or whole pages."""
    unit = need.launch.page_size or MEBI
    return np.asarray(-(-least // unit) * unit, np.int64)


def _spread(column: Coded[Found], rows: np.ndarray, ask: Callable[[Found], int]) -> Column:
    """Ask every distinct file once, and give each row its answer."""
    return np.asarray(np.array(column.answers(ask), np.int64)[rows], np.int64)
