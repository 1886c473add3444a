"""Is there memory enough for the kernel to start? Asked of every (node, backend) pair."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from schedune.api.quantity import render_bytes
from schedune.codes import launch as codes
from schedune.codes.row import Reason
from schedune.eligibility.finding import Bound, Finding, Question
from schedune.fleet.column import Coded, Column
from schedune.launch.artifacts import Found
from schedune.launch.boot_memory import (
    MEBI,
    judge_memory,
    memory_of_initrd,
    memory_of_kernel,
    needs_initrd_apart,
)
from schedune.launch.needs import BackendNeeds


def check_boot_memory(question: Question, need: BackendNeeds) -> Iterable[Finding]:
    """Object where the kernel, with its initrd, takes more memory than is asked for."""
    view, kernel, initrd = question.view, need.launch.kernel, need.launch.initrd
    asked = need.launch.memory_bytes
    if kernel is None or not asked:
        return
    kernels = view.fleet.keyed("artifact", kernel.name)
    initrds = view.fleet.keyed("artifact", initrd.name) if initrd else None
    of_kernel = view.codes(kernels)
    needed = _spread(kernels, of_kernel, partial(memory_of_kernel, need))
    if initrds is not None:
        apart = _spread(kernels, of_kernel, needs_initrd_apart) * (needed > 0)
        needed = needed + apart * _spread(initrds, view.codes(initrds), memory_of_initrd)

    def reason(at: int) -> Reason:
        row = view.row(at)
        found = judge_memory(need, kernels[row], initrds[row] if initrds is not None else None)
        if found is None:
            raise LookupError("nothing stands against so little memory")
        return found

    least = np.asarray(-(-needed // MEBI) * MEBI, np.int64)
    yield Finding(
        f"backend/{need.backend}/bootMemory",
        codes.KERNEL_EXCEEDS_MEMORY,
        np.asarray(view.known & (needed > asked), np.bool_),
        reason,
        bound=Bound("memory", "AtLeast", least, render_bytes, render_bytes(asked)),
        backend=need.backend,
    )


def _spread(column: Coded[Found], rows: np.ndarray, ask: Callable[[Found], int]) -> Column:
    """Ask every distinct file once, and give each row its answer."""
    return np.asarray(np.array(column.answers(ask), np.int64)[rows], np.int64)
