"""A machine of our own in which KVM works: this machine's files under an emulated processor.

QEMU emulates a processor with virtualization, so that a real kernel inside offers a real
/dev/kvm: slow, and exact (recipe: reference/vmm-measured.md 5).
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from schedune_lab.guest import MODULES as GUEST_MODULES
from schedune_lab.guest import build_initrd
from schedune_lab.machine import KernelFiles, ensure_busybox, ensure_kernel, ensure_qemu
from schedune_testing.given import stage_given
from schedune_testing.nested_root import OURS, make_image, root_image

_INIT: Final = Path(__file__).with_name("nested_init.sh")
_MODULES: Final = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "virtio_blk", "crc16", "mbcache", "jbd2", "ext4", "tun", "llc", "stp", "bridge",
    "irqbypass", "kvm", "kvm-amd",
)  # fmt: skip
_MACHINES: Final[Mapping[str, Sequence[str]]] = {
    "x86_64": ("qemu-system-x86_64", "q35,accel=tcg", "max,+svm"),
    "aarch64": ("qemu-system-aarch64", "virt,virtualization=on,gic-version=3,accel=tcg", "max"),
}
_CONSOLES: Final = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
_SOURCES: Final = tuple(Path(one).name for one in OURS)
_ROOT: Final = Path(__file__).resolve().parents[3]
DEADLINE_S: Final = 400
_BOOTS: Final = 3
"""An emulated kernel on a busy host dies now and then of an int3 in code that another processor
just patched, mostly before its first program: that is no word about what is tested."""
_DIED: Final = "Oops: int3"
_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
_SIGN: Final = "nested: kvm"
"""What the machine says before it begins with the tests."""


@dataclass(frozen=True)
class Inside:
    """What the tests inside said."""

    outcomes: Mapping[str, str]
    """By the name of the test: "passed", or what went wrong."""
    log: str
    """The console, with pytest's own words."""


def run_inside(folder: Path, tests: Sequence[str], *, deadline_s: int = DEADLINE_S) -> Inside:
    """Boot the nested machine, run tests in it, and return what they said.

    How long each step of a VM took is told with ``-s``. The machine ends with us, too, when
    we are killed.

    Raises:
        TimeoutExpired: it did not end in time.
    """
    ensure_qemu()
    busybox, kernel = ensure_busybox(), ensure_kernel()
    binary, machine, processor = _MACHINES[platform.machine()]
    qemu = Path(shutil.which(binary) or binary).resolve()
    root = root_image(busybox, qemu)
    initrd, payload = folder / "outer.gz", folder / "payload.ext4"
    build_initrd(busybox, kernel, initrd, init=_INIT, modules_wanted=_MODULES)
    make_image(_payload(folder / "payload", kernel, tests), payload)
    console, results = folder / "console.log", folder / "results.xml"
    disks = [
        part
        for number, image in enumerate((root, payload))
        for part in (
            "-drive", f"file={image},format=raw,if=none,id=d{number},snapshot=on",
            "-device", f"virtio-blk-pci,drive=d{number}",
        )
    ]  # fmt: skip
    command = [
        str(qemu), "-machine", machine, "-cpu", processor, "-m", "2048", "-smp", "2",
        "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot",
        "-kernel", str(kernel.image), "-initrd", str(initrd),
        "-append", f"console={_CONSOLES[platform.machine()]} quiet panic=-1",
        *disks,
        "-serial", f"file:{console}", "-serial", f"file:{results}",
    ]  # fmt: skip
    for _ in range(_BOOTS):
        subprocess.run([*_WITH_US, *command], check=True, timeout=deadline_s)
        told = console.read_text(errors="replace")
        if _SIGN in told and _DIED not in told:
            break
    times = [line for line in told.splitlines() if line.startswith("TIMES ")]
    sys.stdout.write("\n".join(["", *times, ""]))
    return Inside(_outcomes(results), told)


def _payload(folder: Path, kernel: KernelFiles, tests: Sequence[str]) -> Path:
    """Put together what changes from run to run: our code, its tests, the innermost kernel."""
    repository = folder / "repo"
    ignored = shutil.ignore_patterns("__pycache__", "golden", "recorded", ".mypy_cache")
    for name in (*_SOURCES, "tests"):
        shutil.copytree(_ROOT / name, repository / name, ignore=ignored)
    shutil.copyfile(_ROOT / "pyproject.toml", repository / "pyproject.toml")
    tree = folder / "cache/schedune/kernel" / f"linux-image-{kernel.release}"
    (tree / "boot").mkdir(parents=True)
    shutil.copyfile(kernel.image, tree / "boot" / f"vmlinuz-{kernel.release}")
    modules = tree / "lib/modules" / kernel.release
    modules.mkdir(parents=True)
    for path in kernel.modules.rglob("*.ko*"):
        if path.name.split(".ko")[0] in GUEST_MODULES:
            shutil.copyfile(path, modules / path.name)
    python = Path(sys.executable).resolve()
    variables = stage_given(folder / "root")
    (folder / "run.sh").write_text(
        f"cp -a /payload/root/. /\n{variables}"
        "export XDG_CACHE_HOME=/payload/cache HOME=/tmp PYTHONDONTWRITEBYTECODE=1\n"
        f"cd /payload/repo && {python} tests/support/schedune_testing/hold_kvm.py &\nsleep 3\n"
        f"cd /payload/repo && {python} -m pytest -q -p no:cacheprovider"
        f" --junitxml=/run/results {' '.join(tests)}\n"
    )
    return folder


def _outcomes(results: Path) -> dict[str, str]:
    text = results.read_text(errors="replace").replace("\r", "")
    try:
        found = ElementTree.fromstring(text)  # noqa: S314 - our own tests wrote it
    except ElementTree.ParseError:
        return {}
    return {
        str(case.get("name")): next(
            (f"{wrong.tag}: {wrong.get('message')}" for wrong in case), "passed"
        )
        for case in found.iter("testcase")
    }
