"""This machine, or one whose kernel says what a test wants, as its agent knows it."""

import asyncio
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schedune.api.nodetruth import ArtifactKind, NodeTruthStatus
from schedune_agent.boot_files import BootFiles
from schedune_agent.facts import Probes
from schedune_agent.identity import NodeIdentity
from schedune_agent.probes import (
    artifacts,
    binaries,
    devices,
    kvm,
    persistent_disks,
    qemu,
    storage,
)
from schedune_agent.settings import AgentSettings
from schedune_agent.system import cgroup
from schedune_agent.system.host_files import HOST, HostFiles
from schedune_lab.bare_kernel import write_bare_kernel
from schedune_lab.guest import build_initrd
from schedune_lab.machine import ensure_busybox, ensure_kernel, ensure_qemu
from schedune_testing.given import FIRECRACKER
from schedune_testing.guest_agent import build_agent_initrd
from schedune_testing.tiny_guests import OFF_AT_ONCE, RESETS, STILL
from schedune_testing.vm_images import UNRECOGNISED, put_images

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
PATIENCE_S = 60.0
LOOK_S = 60
"""For what a probe waits for: an emulated machine needs many times what a real one does."""
_LIMITS = (
    (artifacts, "_LOOK_S"), (devices, "_LIMIT_S"), (storage, "_DEADLINE_S"),
    (binaries, "_FIND_DEADLINE_S"), (binaries, "_DIGEST_DEADLINE_S"),
    (binaries, "VERSION_DEADLINE_S"), (binaries, "_ASK_DEADLINE_S"), (qemu, "_DEADLINE_S"),
    (persistent_disks, "_DEADLINE_S"),
)  # fmt: skip
_UNANSWERED = ("no answer within", "opening it did not come back within")
"""How a probe tells that it was not answered in time: on a busy machine that is no fact."""
VM_USERS = {"first": 64100, "count": 1024}
"""Where tests run as root, VMs run as these users; elsewhere as whoever tests."""
DATA = b"from the base"
"""What the artefact ``data``, a raw disk of 1Mi, begins with."""


@dataclass(frozen=True)
class Machine:
    """This machine as its agent knows it."""

    settings: AgentSettings
    identity: NodeIdentity
    facts: NodeTruthStatus
    contained: bool
    boot_files: BootFiles = field(default_factory=BootFiles)


@contextmanager
def machine_of_this_host(*, boots: bool = True) -> Iterator[Machine]:
    """Take the facts once: QEMU is real, and so are kernel and initrd of guests that boot.

    The folder is short, for the sake of sockets.
    """
    ensure_qemu()
    with machine_with(lambda images: _put_images(images, boots=boots)) as found:
        yield found


@contextmanager
def machine_with(put: Callable[[Path], None], files: HostFiles = HOST) -> Iterator[Machine]:
    """Take the facts of a machine whose kernel says what these files say.

    ``put`` lays images into a folder, and beside it into ``bin`` what comes before all binaries.
    """
    with tempfile.TemporaryDirectory(prefix="schedune-vm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # artefacts are read by VMs' own users
        images = folder / "images"
        images.mkdir()
        put(images)
        usual = AgentSettings.model_fields["search_path"].get_default(call_default_factory=True)
        settings = AgentSettings.model_validate(
            {
                "kubernetes": {
                    "server": "https://127.0.0.1:1",
                    "caFile": "/ca",
                    "tokenFile": "/token",
                },
                "clusterUID": str(uuid.uuid4()),
                "runDirectory": str(folder / "run"),
                "stateDirectory": str(folder / "state"),
                "imageRoots": [str(images)],
                "searchPath": [str(folder / "bin"), *map(str, usual)],
                "portForwardAddress": "127.0.0.1",
                "capacity": {"vcpus": 4, "memory": "4Gi"},
                "vmUsers": VM_USERS,
            }
        )
        identity = NodeIdentity("node", "node-uid", "machine", BOOT_ID)
        contained = cgroup.can_contain()
        probes = Probes(settings, identity, "Cgroup" if contained else "Session", now_here, files)
        with pytest.MonkeyPatch.context() as patch:
            for probe, limit in _LIMITS:
                patch.setattr(probe, limit, LOOK_S)
            patch.setattr(kvm, "ASK_AGAIN_S", 0.0)
            facts = asyncio.run(_settled(probes))
        yield Machine(settings, identity, facts, contained)


def _put_images(images: Path, *, boots: bool) -> None:
    if boots:
        kernel = ensure_kernel()
        shutil.copyfile(kernel.image, images / "kernel")
        build_initrd(ensure_busybox(), kernel, images / "initrd")
        if shutil.which("apt-get"):  # the nested machine has none, and no test that needs it
            build_agent_initrd(images / "initrd", images / "with-agent")
        if os.environ.get(FIRECRACKER):
            write_bare_kernel(kernel.image, images / "vmlinux")
    (images / "data").write_bytes(DATA.ljust(2**20, b"\0"))
    (images / "off").write_bytes(OFF_AT_ONCE[platform.machine()])
    (images / "resets").write_bytes(RESETS[platform.machine()])
    (images / "still").write_bytes(STILL[platform.machine()])
    put_images(images)


async def _settled(probes: Probes) -> NodeTruthStatus:
    """Take facts until every probe was through: on a busy host not in the first round."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while True:
        facts = await probes.take_facts()
        late = [
            one.name
            for one in facts.capabilities
            if one.value == "timeout" or any(words in one.message for words in _UNANSWERED)
        ]
        unknown = [one for one in facts.artifacts if one.kind is ArtifactKind.UNKNOWN]
        unseen = [one.refusal for one in unknown if one.name != UNRECOGNISED]
        if facts.backends and not (late or unseen or facts.artifacts_truncated):
            return facts
        assert time.monotonic() < deadline, (late, unseen, facts.probes)


def now_here() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)
