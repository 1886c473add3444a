"""One VMM binary of the node as a family of probes; what differs is how each is asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schedune.api.nodetruth import BackendFact, CapabilityState
from schedune.api.vmworkload import Acceleration, Backend
from schedune.codes import vmm_probes as codes
from schedune.codes.row import Row
from schedune.launch.traits import TRAITS, Traits
from schedune_agent.probes.binaries import (
    BinarySearch,
    Known,
    Memory,
    Sighting,
    UnansweredError,
    ask_text,
    ask_version,
    digest,
    first_of,
)
from schedune_agent.probes.family import Answer, Part
from schedune_agent.probes.processor import UNKNOWN
from schedune_agent.system.place import Place


@dataclass(frozen=True, slots=True)
class Words:
    """With which rows a family tells what it found."""

    present: Row
    missing: Row
    method: str
    unanswered: Row = codes.CAP_VMM_UNANSWERED


_FAULTS: Final = {
    "untrusted": (CapabilityState.UNAVAILABLE, codes.CAP_VMM_UNTRUSTED),
    "no-program": (CapabilityState.UNKNOWN, codes.CAP_VMM_NO_PROGRAM),
}


class BinaryFamily:
    """Finds a VMM's binary and asks it once; subclasses say how."""

    backend: Backend
    name: str
    names: Sequence[str]
    companions: Sequence[str] = ()
    """Names of other binaries on which the answer depends."""
    words: Words
    deadline_s = 25.0

    def __init__(self, architecture: str, search: BinarySearch) -> None:
        self.architecture = architecture
        self.search = search
        self._memory = Memory(self.ask)

    @property
    def traits(self) -> Traits:
        """Return what the backend can do."""
        return TRAITS[self.backend]

    @property
    def answers_for(self) -> Sequence[str]:
        """Return the capability that tells whether the binary is there."""
        return (self.traits.capability,)

    async def __call__(self) -> Part:
        """Return what is known of the binary; no backend: there is none that can be used."""
        try:
            seen = await self.search.look()
        except UnansweredError as error:
            return self._tell(CapabilityState.UNKNOWN, self.words.unanswered, str(error))
        if self.architecture == "Unknown":
            told = "the architecture of this machine is not known"
            return self._tell(CapabilityState.UNKNOWN, self.words.unanswered, told)
        found = first_of(seen, self.names)
        if self.architecture == UNKNOWN:
            unknown = "nobody knows the architecture of this machine"
            return self._tell(CapabilityState.UNKNOWN, self.words.unanswered, unknown)
        if found is None:
            missing = " or ".join(self.names) or f"{self.traits.label} for {self.architecture}"
            return self._tell(CapabilityState.UNSUPPORTED, self.words.missing, missing)
        if found.fault is not None:
            state, row = _FAULTS[found.fault]
            return self._tell(state, row, found.seen)
        others = [seen.get(name) for name in self.companions]
        return self._known(found, await self._memory.recall(found, *others))

    def _known(self, found: Sighting, known: Known) -> Part:
        fact = known.fact
        if fact is None:
            return self._tell(
                CapabilityState.UNKNOWN, self.words.unanswered, known.fault, source=found.path
            )
        unfit = self.unfit(fact)
        if unfit is not None:
            return self._tell(
                CapabilityState.UNAVAILABLE, unfit, fact.version_line, fact.version, found.path
            )
        told = self._tell(
            CapabilityState.SUPPORTED, self.words.present, fact.version or "", fact.version,
            found.path,
        )  # fmt: skip
        return Part(facts={"backends": [fact]}, answers=told.answers)

    def _tell(
        self, state: CapabilityState, row: Row, seen: str, value: str | None = None,
        source: str = "search path",
    ) -> Part:  # fmt: skip
        name, method = self.traits.capability, self.words.method
        return Part(answers=[Answer(name, state, row, seen, value, source, method)])

    async def ask(self, found: Sighting, *others: Sighting | None) -> BackendFact:
        """Ask a binary, and those that go with it, what it is and can do.

        Raises:
            UnansweredError: it does not say.
        """
        del others
        raise UnansweredError(f"nobody knows how to ask {found.path}")

    def unfit(self, fact: BackendFact) -> Row | None:
        """Return why a binary that answered must not be used."""
        del fact
        return None


_CLOUD_HYPERVISOR: Final = re.compile(
    r"cloud-hypervisor v(\d{1,5}\.\d{1,5}(?:\.\d{1,5})?)(?:[-+](\S+))?\s*$", re.ASCII
)
_FIRECRACKER: Final = re.compile(
    r"Firecracker v(\d{1,5}\.\d{1,5}\.\d{1,5})(?:[-+](\S+))?\s*$", re.ASCII
)
_JAILER: Final = re.compile(r"Jailer v(\d{1,5}\.\d{1,5}\.\d{1,5})(?:[-+](\S+))?\s*$", re.ASCII)


class CloudHypervisorFamily(BinaryFamily):
    """Cloud Hypervisor, asked by ``--version`` and ``--help``: its API needs a working KVM."""

    backend = Backend.CLOUD_HYPERVISOR
    name = "cloud-hypervisor"
    names = ("cloud-hypervisor",)
    words = Words(
        codes.CAP_CLOUD_HYPERVISOR_PRESENT, codes.CAP_CLOUD_HYPERVISOR_MISSING, "--version, --help"
    )
    options = ("--api-socket", "--event-monitor", "--landlock", "--no-shutdown", "--seccomp")

    async def ask(self, found: Sighting, *others: Sighting | None) -> BackendFact:
        """Ask for its version and its options."""
        del others
        line, version = await ask_version(found.path, _CLOUD_HYPERVISOR, self.search.place)
        text = await ask_text(found.path, "--help", self.search.place)
        return BackendFact(
            name=self.backend,
            path=found.path,
            version=version[1],
            version_line=line,
            sha256=await digest(found, self.search.place),
            architecture=self.architecture,
            accelerations=[Acceleration.KVM.value],
            features=_offered(self.options, text),
        )


class FirecrackerFamily(BinaryFamily):
    """Firecracker, asked by ``--version`` and ``--help``; its jailer where it is of one release."""

    backend = Backend.FIRECRACKER
    name = "firecracker"
    names = ("firecracker",)
    companions = ("jailer",)
    words = Words(codes.CAP_FIRECRACKER_PRESENT, codes.CAP_FIRECRACKER_MISSING, "--version, --help")
    options = ("--api-sock", "--config-file", "--enable-pci", "--metrics-path", "--no-seccomp")

    async def ask(self, found: Sighting, *others: Sighting | None) -> BackendFact:
        """Ask for its version and its options, and the jailer for its version."""
        line, version = await ask_version(found.path, _FIRECRACKER, self.search.place)
        text = await ask_text(found.path, "--help", self.search.place)
        jailer = await _version_of_jailer(others[0], self.search.place) if others else None
        return BackendFact(
            name=self.backend,
            path=found.path,
            version=version[1],
            version_line=line,
            sha256=await digest(found, self.search.place),
            architecture=self.architecture,
            accelerations=[Acceleration.KVM.value],
            features=[*_offered(self.options, text), *(["jailer"] if jailer == version[1] else [])],
        )

    def unfit(self, fact: BackendFact) -> Row | None:
        """Refuse a build for fuzzing."""
        return codes.CAP_FIRECRACKER_FUZZING if "fuzzing" in fact.version_line else None


async def _version_of_jailer(jailer: Sighting | None, place: Place) -> str | None:
    """Return the jailer's version; None: there is none that can be used."""
    if jailer is None or jailer.fault is not None:
        return None
    try:
        return (await ask_version(jailer.path, _JAILER, place))[1][1]
    except UnansweredError:
        return None


def _offered(options: Sequence[str], text: str) -> list[str]:
    """Return the options, without their dashes, that a help text names as words."""
    words = set(re.findall(r"--[a-z][a-z-]*", text))
    return [one.removeprefix("--") for one in options if one in words]
