"""Workers that look for the VM of a placement of which no record names the process."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune_agent.node import Node
from schedune_agent.placement_worker import PlacementWorker
from schedune_agent.record import LaunchRecord, RecordedProcess
from schedune_agent.system import processes

NewPlacement = Callable[..., VMPlacement]
S = PlacementState
UID = "11111111-2222-3333-4444-555555555555"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
UNPROVED = "ERR_RECOVERY_UNPROVED_CARRIER"
SEVERAL = "ERR_RECOVERY_REASSOCIATION_AMBIGUOUS"
WAYS = ["adoption", "launch", "deletion", "stop"]
"""When a VM of which there is no record is looked for."""


def codes(worker: PlacementWorker) -> list[str]:
    """Return what its trace tells."""
    return [entry.code for entry in worker.record.trace]


def record(state: PlacementState, process: RecordedProcess | None = None) -> LaunchRecord:
    """Return what an earlier agent left of the placement."""
    names = {"placement_uid": UID, "workload_uid": "w", "namespace": "default", "name": "vm"}
    return LaunchRecord(**names, state=state, process=process, argv=["/bin/false"])


def recorded(process: "subprocess.Popen[bytes]") -> RecordedProcess:
    """Return a living process as a record names it."""
    found = processes.read_identity(process.pid, BOOT_ID)
    assert found is not None
    return RecordedProcess.of(found)


def looking(node: Node, new_placement: NewPlacement, way: str) -> PlacementWorker:
    """Return a worker that has to look for its VM before it does anything else."""
    if way == "launch":
        return PlacementWorker(node, new_placement(), record(S.LAUNCHING))
    placement = new_placement(deleted=way == "deletion")
    if way == "stop":
        stop = {"reason": "Deleted", "graceSeconds": 0}
        spec = placement.spec.model_validate({**placement.spec.render(), "stop": stop})
        placement = placement.model_copy(update={"spec": spec})
    return PlacementWorker(node, placement, None)


async def looked(worker: PlacementWorker, times: int = 3) -> list[str]:
    """Let it step, and return what its trace tells."""
    for _ in range(times):
        await worker.step()
    return codes(worker)


async def is_left_alone(worker: PlacementWorker, process: "subprocess.Popen[bytes]") -> bool:
    """Say whether a doubtful process is left as it is, and its placement says that."""
    told = await looked(worker)
    is_unknown = (worker.record.state, worker.record.ended) == (S.UNKNOWN, None)
    lasts = told.count(UNPROVED) == 1 and told[-1] == UNPROVED
    return is_unknown and lasts and worker.is_live and process.poll() is None
