"""The users that VMs run as: chosen, given what they need of the node's files, found again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schedune.api.vmplacement import Launch
from schedune.api.vmworkload import Acceleration, Backend, DiskAccess
from schedune.launch.traits import TRAITS
from schedune.launch.vm_users import choose_user
from schedune_agent.ledger import Ledger
from schedune_agent.settings import AgentSettings, VmUsersSettings
from schedune_agent.system import ownership, processes
from schedune_agent.system.launcher import VmUser
from schedune_agent.vmm.persistent import remove_scratch
from schedune_agent.vmm.port import DiskFiles, Firmware
from schedune_agent.vmm.process import VMS

KVM: Final = Path("/dev/kvm")
TUN: Final = Path("/dev/net/tun")


def usable(settings: AgentSettings) -> VmUsersSettings | None:
    """Return the users that were set aside, if we can be them; None: VMs run as we do."""
    return settings.vm_users if settings.vm_users and ownership.may_make_users() else None


def choose(users: VmUsersSettings, placement_uid: str, ledger: Ledger) -> int | None:
    """Return a number that no other placement and no living process has; None: there is none."""
    others = {number for uid, number in ledger.users.items() if uid != placement_uid}
    taken = others | processes.living_users()
    return choose_user(placement_uid, first=users.first, count=users.count, taken=taken)


def user_of(number: int | None, launch: Launch, backend: Backend) -> VmUser | None:
    """Return who a VM is: in no group but that of the devices it needs."""
    if number is None:
        return None
    groups = {one for device in devices_of(launch, backend) for one in _group_of(device)}
    return VmUser(number, number, tuple(sorted(groups)))


def _group_of(device: Path) -> tuple[int, ...]:
    """Return the group that may use a device; root's is nobody's to be in."""
    try:
        group = device.stat().st_gid
    except OSError:
        return ()
    return (group,) if group else ()


def devices_of(launch: Launch, backend: Backend) -> tuple[Path, ...]:
    """Return the devices that a VM opens itself."""
    kvm = (KVM,) if launch.acceleration is Acceleration.KVM else ()
    opens_taps = any(one.tap for one in launch.networks) and not TRAITS[backend].takes_open_taps
    return (*kvm, TUN) if opens_taps else kvm


def open_ways(settings: AgentSettings) -> None:
    """Let VMs' users through our folders to their own; what is for us only stays closed.

    Raises:
        OSError: a folder cannot be made, or is not ours.
    """
    state = settings.state_directory
    for folder in (settings.run_directory, state, state / VMS):
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        ownership.let_pass(folder)


def hand_over(
    top: Path, disks: Sequence[DiskFiles], firmware: Firmware | None, user: VmUser
) -> None:
    """Give a VM's user the files that were made for it below a folder of ours, and no others.

    Raises:
        OSError: one cannot be given.
    """
    for file in _made_for(disks, firmware):
        for folder in file.parents:
            if folder.is_relative_to(top):
                ownership.let_pass(folder)
        ownership.give(file, user)


def take_back(kept: Sequence[Path], scratch: Path) -> None:
    """Make Persistent disks ours again: another VM may have the user's number next.

    None of them may have a second name for that, in the folder where they were made.

    Raises:
        OSError: one cannot be taken.
    """
    remove_scratch(scratch)
    us = VmUser(os.geteuid(), os.getegid())
    for one in kept:
        if os.path.lexists(one):
            ownership.give(one, us)


def _made_for(disks: Sequence[DiskFiles], firmware: Firmware | None) -> list[Path]:
    """Return the files that are made anew for a VM, or kept for its workload: no artefact."""
    made = [
        one.overlay
        for one in disks
        if one.disk.access is not DiskAccess.READ_ONLY or one.source == one.overlay
    ]
    return made + ([firmware.variables] if firmware and firmware.variables else [])
