"""Put a launch together on this node: validated on live facts, written down, not run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from schedune.api.nodetruth import CapabilityState, NodeTruthStatus
from schedune.api.vmplacement import LaunchDisk, VMPlacement
from schedune.api.vmworkload import DiskAccess
from schedune.codes import confinement, eligibility
from schedune.codes import execution as codes
from schedune.codes.row import Reason
from schedune.launch.traits import TRAITS
from schedune.launch.validate import machine_of, validate_launch
from schedune_agent import vm_users
from schedune_agent.boot_files import BootFiles
from schedune_agent.probes.artifacts import LISTED, SeenArtifact
from schedune_agent.probes.image_roots import image_root
from schedune_agent.probes.security import LANDLOCK
from schedune_agent.settings import AgentSettings
from schedune_agent.system.ownership import first_denied
from schedune_agent.system.patience import LaterError, Patience
from schedune_agent.vmm.adapters import adapter_of
from schedune_agent.vmm.persistent import persistent_file
from schedune_agent.vmm.port import (
    DiskFiles,
    Firmware,
    LaunchFiles,
    LaunchInputs,
    LaunchPlan,
    Owner,
    PlanError,
    Tap,
    VmPaths,
)
from schedune_agent.vmm.seed import seed_disk
from schedune_agent.vmm.taps import taps_of


class UnseenFileError(PlanError):
    """Nobody knows in which image root an artefact is."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """One placement's launch, here and now."""

    placement: VMPlacement
    settings: AgentSettings
    paths: VmPaths
    facts: NodeTruthStatus | None

    async def objection(self, user: int | None, patience: Patience) -> Reason | None:
        """Return the first thing that stands against the launch, as this user of its own.

        Raises:
            LaterError: an image root does not answer, so that nobody knows.
        """
        if self.facts is None:
            return Reason(codes.PREPARATION_FAILED, "the node has no facts yet", "facts")
        found = self._objection_of(self.facts)
        if found is not None:
            return found
        try:
            self.plan()
        except (PlanError, LookupError) as error:
            return Reason(codes.PREPARATION_FAILED, str(error), "a launch that can be written down")
        opened = self._read_by_vmm()
        roots = sorted({one.parent for one in opened})
        told = " and ".join(map(image_root, roots)) or "what the VMM opens"
        return await patience.look(told, partial(self._denial, user, opened))

    async def late_objection(self, files: BootFiles, patience: Patience) -> Reason | None:
        """Return what has come to stand against the launch since it was validated.

        Raises:
            LaterError: an image root does not answer, so that nobody knows.
        """
        if self.facts is None:
            return None
        launch, roots = self.placement.spec.launch, self.settings.image_roots
        found = self._objection_of(await files.freshen(self.facts, launch, roots, patience))
        if found is None:
            self._see_all_files()
        return found

    def _see_all_files(self) -> None:
        """See that it is known of every file in which root it is, as the next facts will say.

        Raises:
            LaterError: of one it is not.
        """
        try:
            self.plan()
        except UnseenFileError as error:
            raise LaterError(str(error)) from error
        except (PlanError, LookupError):
            return  # the start tells it

    def _objection_of(self, facts: NodeTruthStatus) -> Reason | None:
        """Return what the facts say against the launch.

        Raises:
            LaterError: nothing but that nobody sees now whether a file is there.
        """
        spec = self.placement.spec
        held = self._held_disks(facts)
        found = validate_launch(spec.launch, spec.backend, facts, spec.versions, held)
        unseen = self._unseen_roots(facts)
        if found and unseen and all(one.row is eligibility.ARTIFACT_UNKNOWN for one in found):
            raise LaterError(unseen)
        return found[0] if found else None

    def _unseen_roots(self, facts: NodeTruthStatus) -> str:
        """Say which image roots could not be looked into, here and now; "": none."""
        if self._is_recorded:
            return ""
        told = next((one for one in facts.capabilities if one.name == LISTED), None)
        if told is None or told.state is not CapabilityState.UNKNOWN:
            return ""
        return f"the image roots: {told.message}"

    def _held_disks(self, facts: NodeTruthStatus) -> frozenset[str]:
        """Return the Persistent disks that are here already: they are made of nothing."""
        launch, workload = self.placement.spec.launch, self.placement.spec.workload
        kept = (one for one in launch.disks if one.access is DiskAccess.PERSISTENT)
        if not self._is_recorded:
            return frozenset(one.name for one in kept if self._is_kept(one))
        listed = {
            one.disk
            for one in facts.persistent_disks
            if one.workload == self.placement.metadata.name
            and one.namespace_uid == workload.namespace_uid
        }
        return frozenset(one.name for one in kept if one.name in listed)

    def _is_kept(self, disk: LaunchDisk) -> bool:
        """Say whether there is a file of a Persistent disk, whatever it is."""
        try:
            return os.path.lexists(self._written(disk))
        except PlanError:
            return False

    @property
    def _is_recorded(self) -> bool:
        """Say whether the facts are those of another machine."""
        return self.settings.facts_file is not None

    def _denial(self, number: int | None, opened: Sequence[Path]) -> Reason | None:
        """Return what the VM's own user may not open, which it has to."""
        launch, backend = self.placement.spec.launch, self.placement.spec.backend
        user = vm_users.user_of(number, launch, backend)
        if user is None:
            return None
        try:
            vm_users.open_ways(self.settings)
            devices = vm_users.devices_of(launch, backend)
            denied = first_denied(user, opened, devices)
        except OSError as error:
            return Reason(codes.PREPARATION_FAILED, str(error), "folders that VMs can pass")
        return Reason(confinement.DENIED_TO_VM_USER, str(denied), str(number)) if denied else None

    def _read_by_vmm(self) -> list[Path]:
        """Return the artefacts that the VMM opens itself: the others are copied for it."""
        launch, backend = self.placement.spec.launch, self.placement.spec.backend
        has_overlays = TRAITS[backend].has_overlays
        booted = (launch.kernel or launch.firmware, launch.initrd)
        opened = [self._file(one.artifact) for one in booted if one]
        for disk in launch.disks:
            copied = disk.access is DiskAccess.EPHEMERAL and not has_overlays
            source = self._source(disk)
            if source is not None and not copied and disk.access is not DiskAccess.PERSISTENT:
                opened.append(source)
        return opened

    def plan(self) -> LaunchPlan:
        """Return exactly what would be run.

        Raises:
            LookupError: the node has no such backend, or the launch no kernel.
            PlanError: a path cannot be written down safely.
        """
        spec, backends = self.placement.spec, self.facts.backends if self.facts else []
        launch = spec.launch
        binary = next((one for one in backends if one.name is spec.backend), None)
        booted = launch.kernel or launch.firmware
        if binary is None or booted is None:
            raise LookupError("the launch boots nothing, or the node has no such backend")
        initrd = self._file(launch.initrd.artifact) if launch.initrd else None
        files = LaunchFiles(self._file(booted.artifact), initrd, self.disks(), self.firmware())
        return adapter_of(spec.backend).plan(
            LaunchInputs(
                binary.path,
                launch,
                spec.claim,
                files,
                self.paths,
                self._owner(),
                self.settings.port_forward_address,
                frozenset(binary.features),
                self._landlock_abi(),
                machine=machine_of(launch, spec.backend, binary),
                taps=self.taps(),
            )
        )

    def _landlock_abi(self) -> int:
        """Return the version that the kernel was asked for; a recorded node was not asked."""
        told = self.facts.capabilities if self.facts else []
        found = next((one.value for one in told if one.name == LANDLOCK), None)
        return int(found) if found and found.isdecimal() else 0

    def taps(self) -> dict[str, Tap]:
        """Return the taps that are made before the start, by network."""
        spec = self.placement.spec
        return taps_of(self.settings, self.placement.metadata.uid, spec.launch, spec.backend)

    def _owner(self) -> Owner:
        placement = self.placement
        return Owner(placement.metadata.uid, placement.spec.workload.uid, self.settings.cluster_uid)

    def disks(self) -> tuple[DiskFiles, ...]:
        """Return where the disks' bytes are, or will be once they are made; a seed comes last.

        Raises:
            PlanError: the placement does not say whose a Persistent disk is.
        """
        own = tuple(
            DiskFiles(disk, self._source(disk), self._written(disk))
            for disk in self.placement.spec.launch.disks
        )
        return (*own, seed_disk(self.paths)) if self.placement.spec.launch.guest else own

    def kept_disks(self) -> tuple[Path, ...]:
        """Return where the Persistent disks are, or will be.

        Raises:
            PlanError: the placement does not say whose they are.
        """
        disks = self.placement.spec.launch.disks
        return tuple(self._written(one) for one in disks if one.access is DiskAccess.PERSISTENT)

    def firmware(self) -> Firmware | None:
        """Return the firmware, with variables of its own where the node has an empty store.

        That goes by the names under which they come: OVMF_CODE.fd and OVMF_VARS.fd.
        """
        launch = self.placement.spec.launch
        if launch.kernel is not None or launch.firmware is None:
            return None
        name = launch.firmware.artifact
        store, code = name.replace("CODE", "VARS"), self._file(name)
        listed = {one.name for one in self.facts.artifacts} if self.facts else set()
        if store == name or store not in listed:
            return Firmware(code)
        return Firmware(code, self._file(store), self.paths.disks / "firmware-vars.fd")

    def _source(self, disk: LaunchDisk) -> Path | None:
        """Return the file that a disk comes from; a path was found right below an image root.

        A Persistent disk that is there comes from none any more: its artefact may be gone.
        """
        if disk.access is DiskAccess.PERSISTENT and self._is_kept(disk):
            return None
        if disk.host_path is not None:
            return Path(disk.host_path)
        return self._file(disk.artifact) if disk.artifact else None

    def _written(self, disk: LaunchDisk) -> Path:
        """Return where a disk's writes go: kept for the workload, or for this placement only."""
        if disk.access is DiskAccess.PERSISTENT:
            state = self.settings.state_directory
            return persistent_file(state, self.placement, disk.name, disk.format)
        kind = "qcow2" if TRAITS[self.placement.spec.backend].has_overlays else "raw"
        return self.paths.disks / f"{disk.name}.{kind}"

    def _file(self, artifact: str) -> Path:
        """Return an artefact's path as it was seen last: its root may hang, and is not asked.

        A recorded node has only the name of its first root, and so has one with a single root.

        Raises:
            UnseenFileError: nobody has seen it, and it may be in several roots.
        """
        listed = self.facts.artifacts if self.facts else ()
        seen = (one for one in listed if isinstance(one, SeenArtifact))
        found = next((one.path for one in seen if one.name == artifact), None)
        roots = self.settings.image_roots
        if found is None and not self._is_recorded and len(roots) > 1:
            raise UnseenFileError(f"nobody has seen in which image root {artifact} is")
        return found or roots[0] / artifact
