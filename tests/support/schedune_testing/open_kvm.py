"""A machine whose /dev/kvm is not for users of VMs' own: udev did not make it."""

import os
from dataclasses import replace

from schedune_agent.system.launcher import VmUser
from schedune_agent.system.ownership import first_denied
from schedune_agent.vm_users import KVM
from schedune_testing.machines import VM_USERS, Machine


def with_open_kvm(machine: Machine) -> Machine:
    """Let VMs run as whoever tests, where users of their own may not open this machine's KVM."""
    somebody = VmUser(VM_USERS["first"], VM_USERS["first"])
    if os.geteuid() or not first_denied(somebody, [], [KVM]):
        return machine
    return replace(machine, settings=machine.settings.model_copy(update={"vm_users": None}))
