"""A real guest that reads its seed, and what is left nowhere else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schedune.api.vmplacement import PlacementState
from schedune.launch.guest_identity import guest_uuid
from schedune_agent.record import LaunchRecord

S = PlacementState
NewWorld = Callable[..., Any]
KEY = "ssh-ed25519 AAAAC3Nz me@example"
USER_DATA = b"#!/bin/sh\necho 'hush, a secret'\n"
REF = {"name": "vm-data", "key": "script"}
GUEST = {
    "hostname": "web-1",
    "userData": {"secretRef": REF},
    "sshAuthorizedKeys": {"inline": [KEY]},
}
BOOTS: dict[str, Any] = {
    "readiness": {"level": "Guest", "timeoutSeconds": 120},
    "commandLine": "console=ttyS0 quiet schedune.test=seed",
    "guest": GUEST,
}


async def secret(namespace: str, name: str) -> Mapping[str, bytes]:
    assert (namespace, name) == ("default", "vm-data")
    return {"script": USER_DATA}


def is_ready(record: LaunchRecord) -> bool:
    return record.state in (S.RUNNING, S.FAILED)


async def said(worker: Any) -> list[str]:
    await worker._vm.keep_console()
    lines = worker._console.tail(20)
    return [line.removeprefix("schedune-guest: ") for line in lines if "schedune-guest" in line]


def told_of(worker: Any, incarnation: int) -> list[str]:
    uid = worker.record.placement_uid
    instance = {"instance-id": f"{uid}-{incarnation}", "local-hostname": "web-1"}
    return [
        "seed is disk seed",
        f"meta-data {json.dumps({**instance, 'public-keys': [KEY]})}",
        f"user-data {hashlib.sha256(USER_DATA).hexdigest()}",
        f"machine {guest_uuid('workload-uid')}",
    ]


async def test_a_guest_reads_what_it_was_told_and_each_incarnation_is_a_new_instance(
    new_world: NewWorld,
) -> None:
    world = new_world(read_secret=secret, **BOOTS)
    worker = world.new_agent()
    await world.carry_on(worker, is_ready)
    assert worker.record.state is S.RUNNING, worker.record.trace
    assert (await said(worker))[-4:] == told_of(worker, 1)
    seed = world.paths.disks / "seed.iso"
    assert USER_DATA in seed.read_bytes()
    assert seed.stat().st_mode & 0o777 == 0o600
    told = [*worker.record.argv, worker.record.model_dump_json(), json.dumps(worker.status())]
    assert not [text for text in told if "hush" in text]
    assert not holders(world.settings.state_directory, b"hush", seed)

    worker._vm.handle.send(9)
    await world.carry_on(worker, lambda record: record.incarnation == 2)
    await world.carry_on(worker, is_ready)
    assert (await said(worker))[-4:] == told_of(worker, 2)
    world.delete()
    worker.placement = world.placement
    await world.carry_on(worker, lambda record: record.ended is not None)
    assert world.remains() == []


def holders(folder: Path, text: bytes, but: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and path != but]
    return [path for path in files if text in path.read_bytes()]


async def test_a_secret_that_is_not_granted_ends_the_attempt_before_anything_starts(
    new_world: NewWorld,
) -> None:
    world = new_world(**BOOTS)
    worker = world.new_agent()
    await world.carry_on(worker, lambda record: record.ended is not None)
    last = worker.record.trace[-1]
    assert (last.to, last.code) == (S.FAILED, "GUEST_DATA_FORBIDDEN")
    assert worker.record.refusal.code == "GUEST_DATA_FORBIDDEN"
    assert "Secret default/vm-data" in last.message
    assert world.vms() == []
    assert world.remains() == []
