"""Every moment at which an agent can be killed: before and after each of its effects.

Installed in an agent's own process, over the real code: records, their names on the disk,
overlays, control groups, processes, questions to the VMM, signals, cleaning away.
"""

import asyncio
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from schedune_agent import orphans, placement_base, placement_launch, record
from schedune_agent.record import RecordStore
from schedune_agent.system import cgroup, processes, whole_files
from schedune_agent.system.processes import ProcessHandle
from schedune_agent.vmm import disk_files, process
from schedune_agent.vmm.qemu import vm
from schedune_agent.vmm.qemu.qmp import QmpClient

Reach = Callable[[str], None]
_QUESTION_S = 0.8
"""Silence is believed sooner than an agent does: it is not what takes the time of a run."""
_LADDER_S = 0.4


def install(reach: Reach, *, patiently: bool) -> None:
    """Let every effect of this process pass by ``reach``, before and after."""
    if not patiently:
        QmpClient.execute.__kwdefaults__["timeout_s"] = _QUESTION_S
        QmpClient.connect.__func__.__kwdefaults__["timeout_s"] = _QUESTION_S
        vm._STEP_SECONDS = _LADDER_S
    for owner, name, point in (
        (RecordStore, "save", "record"),
        (RecordStore, "remove", "record removed"),
        (record, "write_whole", "record's file"),
        (record, "sync_folder", "record's folder"),
        (whole_files, "sync_folder", "name of a file"),
        (disk_files, "write_whole", "overlay's file"),
        (placement_launch, "make_overlay", "overlay"),
        (cgroup, "make_groups", "control groups"),
        (cgroup, "_make", "one hierarchy's group"),
        (cgroup, "remove_groups", "control groups removed"),
        (processes, "spawn", "spawn"),
        (processes, "prove", "proof"),
        (placement_base, "clean", "cleaning"),
        (orphans, "clean", "cleaning"),
        (ProcessHandle, "reap", "reap"),
        (ProcessHandle, "wait_gone", "wait for the end"),
    ):
        setattr(owner, name, _around(getattr(owner, name), lambda *_, point=point: point, reach))
    send = ProcessHandle.send
    ProcessHandle.send = _around(send, lambda _, number: f"signal {number.name}", reach)
    QmpClient.execute = _around(QmpClient.execute, lambda _, command, *__: f"qmp {command}", reach)
    connect = QmpClient.connect.__func__
    QmpClient.connect = classmethod(_around(connect, lambda *_: "control socket", reach))
    rmtree = _around(process.shutil.rmtree, lambda *_: "folder removed", reach)
    process.shutil = SimpleNamespace(rmtree=rmtree)


def _around(inner: Any, name: Callable[..., str], reach: Reach) -> Any:
    if asyncio.iscoroutinefunction(inner):

        @functools.wraps(inner)
        async def later(*arguments: Any, **options: Any) -> Any:
            point = name(*arguments)
            reach(f"before {point}")
            found = await inner(*arguments, **options)
            reach(f"after {point}")
            return found

        return later

    @functools.wraps(inner)
    def now(*arguments: Any, **options: Any) -> Any:
        point = name(*arguments)
        reach(f"before {point}")
        found = inner(*arguments, **options)
        reach(f"after {point}")
        return found

    return now
