"""Record the files that the agent's probes read, from real systems, into tests/recorded.

Each tree is what a real kernel said: in a guest that QEMU emulates (TCG) with the processor
that is named, or in a container's namespaces on this machine. Usage, as root on amd64:

    PYTHONPATH=tests/support .venv/bin/python hack/record_tree.py [NAME ...]
"""

import base64
import datetime
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schedune_lab.guest import build_initrd
from schedune_lab.machine import KernelFiles, ensure_busybox, ensure_kernel, ensure_qemu
from schedune_testing.arm64 import ensure_arm64_kernel, ensure_arm64_qemu

ROOT: Final = Path(__file__).resolve().parent.parent
RECORDED: Final = ROOT / "tests" / "recorded"
SCRIPT: Final = Path(__file__).with_name("record_tree.sh")
BEGIN: Final = b"SCHEDUNE-RECORD-BEGIN"
END: Final = b"SCHEDUNE-RECORD-END"
DEADLINE_S: Final = 600
X86: Final = ("-M", "q35", "-append", "console=ttyS0 quiet panic=-1")
TWO_NODES: Final = (
    "-smp", "4,sockets=2,cores=1,threads=2", "-m", "768M",
    "-object", "memory-backend-ram,id=m0,size=512M", "-numa", "node,nodeid=0,memdev=m0,cpus=0-1",
    "-object", "memory-backend-ram,id=m1,size=256M", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """One emulated machine."""

    about: str
    options: tuple[str, ...]
    modules: tuple[str, ...] = ()
    is_arm: bool = False


MACHINES: Final = {
    "amd-epyc": Machine(
        "an AMD machine: two sockets with two cores each",
        ("-cpu", "EPYC", "-smp", "4,sockets=2,cores=2,threads=1", "-m", "512M", *X86),
    ),
    "intel-skylake-server": Machine(
        "an Intel machine: two sockets, two NUMA nodes, 16 huge pages of 2 MiB",
        (
            "-cpu", "Skylake-Server", *TWO_NODES, "-M", "q35",
            "-append", "console=ttyS0 quiet panic=-1 hugepages=16",
        ),
    ),
    "nested": Machine(
        "a virtual machine that has virtualization itself, with kvm_amd loaded",
        ("-cpu", "EPYC,+svm,+npt", "-smp", "2", "-m", "512M", *X86),
        ("irqbypass", "kvm", "rng-core", "ccp", "kvm-amd"),
    ),
    "arm64-server": Machine(
        "an arm64 server: QEMU's machine `virt` with the processor of servers, two NUMA nodes",
        (
            "-M", "virt,gic-version=3", "-cpu", "neoverse-n1", *TWO_NODES,
            "-append", "console=ttyAMA0 quiet panic=-1",
        ),
        is_arm=True,
    ),
}  # fmt: skip
CONTAINER: Final = "container"
CONTAINER_STEPS: Final = """set -e
for kind in memory pids cpu; do
  mkdir -p /sys/fs/cgroup/$kind/kubepods/agent
  echo $$ >/sys/fs/cgroup/$kind/kubepods/agent/cgroup.procs
done
echo 536870912 >/sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes
echo 50000 >/sys/fs/cgroup/cpu/kubepods/cpu.cfs_quota_us
echo 200 >/sys/fs/cgroup/pids/kubepods/agent/pids.max
mount --make-rprivate /
for kind in memory pids cpu; do
  mount --bind /sys/fs/cgroup/$kind/kubepods/agent /sys/fs/cgroup/$kind
done
hostname agent-7d4b9
exec /bin/busybox sh "$1"
"""
"""As a runtime does it with cgroups v1: the container sees its own group where the root was."""


def main(names: list[str]) -> None:
    """Record the trees of these names, or all."""
    ensure_qemu()
    for name in names or [*MACHINES, CONTAINER]:
        if name == CONTAINER:
            record_container()
        else:
            record_machine(name, MACHINES[name])


def record_machine(name: str, machine: Machine) -> None:
    """Boot the machine, and keep what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        qemu, kernel, busybox = foreign() if machine.is_arm else native()
        initrd = Path(folder) / "initrd"
        build_initrd(busybox, kernel, initrd, init=SCRIPT, modules_wanted=machine.modules)
        argv = [
            qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg", "-serial", "stdio", "-kernel", str(kernel.image),
            "-initrd", str(initrd), *machine.options,
        ]  # fmt: skip
        printed = run(argv)
        version = run([qemu, "--version"]).decode().splitlines()[0]
    shown = " ".join(
        f"'{one}'" if " " in one else Path(one).name if one.startswith("/") else one for one in argv
    )
    keep(name, printed, f"{machine.about}\n\n    {shown}\n\n{version}; Linux {kernel.release}.")


def native() -> tuple[str, KernelFiles, Path]:
    """Return QEMU, kernel and busybox of this machine's architecture."""
    return "qemu-system-x86_64", ensure_kernel(), ensure_busybox()


def foreign() -> tuple[str, KernelFiles, Path]:
    """Return the same for arm64."""
    return str(ensure_arm64_qemu()), *ensure_arm64_kernel()


def record_container() -> None:
    """Enter a container's namespaces on this machine, and keep what is seen there."""
    argv = [
        "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc",
        "sh", "-c", CONTAINER_STEPS, "sh", str(SCRIPT),
    ]  # fmt: skip
    printed = run(argv)
    for kind in ("memory", "pids", "cpu"):
        for group in ("kubepods/agent", "kubepods"):
            Path("/sys/fs/cgroup", kind, group).rmdir()
    steps = "".join(f"    {line}\n" for line in CONTAINER_STEPS.splitlines())
    keep(
        CONTAINER,
        printed,
        "a container on cgroups v1, in the namespaces that a runtime makes\n\n"
        f"    {' '.join(argv[:8])} sh -c STEPS sh hack/record_tree.sh\n\nSTEPS:\n\n{steps}\n"
        f"Linux {platform.release()}, itself a virtual machine.",
    )


def run(argv: list[str], environment: dict[str, str] | None = None) -> bytes:
    """Run a program and return what it printed."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=DEADLINE_S,
        check=True, env=environment,
    )  # fmt: skip
    return done.stdout


def keep(name: str, printed: bytes, provenance: str) -> None:
    """Unpack the tree that was printed, and write beside it where it is from."""
    if BEGIN not in printed or END not in printed:
        sys.exit(f"{name} printed no tree:\n{printed[-2000:].decode(errors='replace')}")
    packed = base64.b64decode(printed.partition(BEGIN)[2].partition(END)[0])
    folder = RECORDED / name
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder / "tree", filter="data")
    for path in (folder / "tree").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    today = datetime.datetime.now(datetime.UTC).date()  # noqa: TID251 - an entry point
    (folder / "PROVENANCE.md").write_text(
        f"# {name}\n\nRecorded on {today} by `hack/record_tree.py {name}` from {provenance}\n"
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    sys.stderr.write(f"{name}: {len(files)} files, {size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
