"""What the agent is told."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from schedune.api.base import Quantity
from schedune_agent.vmm.qemu.networks import ANY_ADDRESS
from schedune_kube.serving import ListenSettings
from schedune_kube.settings import KubernetesSettings, Settings, read_settings_file

DEFAULT_SEARCH_PATH: Final = (
    "/usr/local/bin",
    "/usr/bin",
    "/opt/schedune/bin",
    "/opt/schedune",
    "/usr/libexec",
)


class CapacitySettings(Settings):
    """What this node offers to VMs (design.md 4)."""

    vcpus: Annotated[int, Field(ge=0)]
    """Virtual CPUs."""
    memory: Quantity
    """Memory, the VMMs' overhead included."""
    disk: Quantity = "0"
    """Disk."""


class ReserveSettings(Settings):
    """What the system needs of what a kubelet keeps back from pods; VMs get the rest."""

    vcpus: Annotated[int, Field(ge=0)] = 1
    """CPUs for the system's own daemons."""
    memory: Quantity = "1Gi"
    """Memory for them; must cover what the kubelet wants to stay free (evictionHard)."""
    disk: Quantity | None = None
    """Disk that must stay free of VMs; unset: VMs get no disk there, since by default all that
    a kubelet keeps back is where it starts to evict pods."""


class VmUsersSettings(Settings):
    """Users of the node that are set aside for VMs: numbers that no account and no pod has."""

    first: Annotated[int, Field(ge=1000, lt=2**31)]
    """The first of them."""
    count: Annotated[int, Field(ge=1, le=65536)] = 1024
    """How many: as many VMs can be on the node at once."""


class AgentSettings(Settings):
    """Everything that one agent is told."""

    kubernetes: KubernetesSettings
    """Where the API server is; unset in a pod: as the kubelet says."""
    cluster_uid: Annotated[
        str, Field(alias="clusterUID", max_length=64, pattern=r"^([A-Za-z0-9-]{8,})?$")
    ] = ""
    """UID of the namespace kube-system: VMs of other clusters are not ours. Unset: the API
    server is asked."""
    execution: Literal["Launches", "PreparesOnly"] = "Launches"
    """PreparesOnly: facts are told, and launches validated and prepared; nothing is launched."""
    heartbeat_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How often the Lease is renewed."""
    lease_duration_seconds: Annotated[int, Field(ge=1, le=86400)] = 180
    """How long a heartbeat vouches for the facts. It is believed for 900 s at most, however much
    more is set here."""
    probe_period_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    """How often the facts are looked at."""
    write_gap_seconds: Annotated[float, Field(ge=0, le=3600)] = 10
    """Changed facts are written this often at most, after a burst."""
    write_burst: Annotated[int, Field(ge=1, le=100)] = 3
    """How many writes may follow each other at once."""
    rewrite_seconds: Annotated[float, Field(gt=0, le=604800)] = 21600
    """After about this time the whole truth is written even if nothing changed."""
    first_delay_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    """The first write comes at a random moment within this time: a fleet does not start at once."""
    list_seconds: Annotated[float, Field(gt=0, le=86400)] = 1800
    """After about this time the placements of this node are listed, for rings that were lost."""
    list_without_bell_seconds: Annotated[float, Field(gt=0, le=86400)] = 15
    """The same while no bell is heard: nobody has rung yet, it cannot be read or not be watched."""
    image_roots: Annotated[list[Path], Field(max_length=8)] = Field(
        default_factory=lambda: [Path("/var/lib/schedune/images")]
    )
    """Folders whose files are artefacts."""
    search_path: Annotated[list[Path], Field(min_length=1, max_length=16)] = Field(
        default_factory=lambda: [Path(one) for one in DEFAULT_SEARCH_PATH]
    )
    """Folders in which VMM binaries are looked for, the first one counts; in each also the
    folders that are named by a digest."""
    run_directory: Path = Path("/run/schedune")
    """Where control sockets are, one folder per placement."""
    state_directory: Path = Path("/var/lib/schedune")
    """Where launch records are; must outlive a restart of the agent."""
    port_forward_address: Annotated[
        str, Field(max_length=15, pattern=r"^([0-9]{1,3}\.){3}[0-9]{1,3}$")
    ] = ANY_ADDRESS
    """IPv4 address of the node on which port forwards of User networks listen."""
    capacity: CapacitySettings | None = None
    """What this node offers where no kubelet gives it to pods; unset: undeclared."""
    system_reserve: ReserveSettings = Field(default_factory=ReserveSettings)
    """What the system keeps of what a kubelet leaves outside of pods' reach."""
    containment: Literal["Auto", "Session"] = "Auto"
    """Auto: a cgroup where the agent may make one; Session: never."""
    vm_users: VmUsersSettings | None = None
    """Each VM runs as one of these users; unset, or the agent is not root: as the agent's own."""
    observability: ListenSettings | None = Field(default_factory=lambda: ListenSettings(port=8082))
    """Where /metrics, /livez and /readyz are; null: nowhere. Of several nodes in one process
    each address is served once, for all of them."""
    vm_namespaces: Literal["Auto", "Own"] = "Auto"
    """Auto: an agent in a container starts VMs in the namespaces of the node's first process, so
    that they keep their network and nothing of the container; Own: in its own, wherever it is."""
    facts_file: Path | None = None
    """Replay only: recorded facts, a NodeTruth manifest."""


def agent_lock(settings: AgentSettings) -> Path:
    """Return what the agent holds that works on the state directory."""
    return settings.state_directory / "agent.lock"


def run_lock(run_directory: Path) -> Path:
    """Return what the agent holds whose VMs are in a run directory."""
    return run_directory / "agent.lock"


def read_settings(path: Path, in_pod: KubernetesSettings | None = None) -> AgentSettings:
    """Read a settings file; in a pod it need not say where the API server is.

    Raises:
        SettingsError: the file is missing, no YAML, or says something wrong.
    """
    return read_settings_file(path, AgentSettings, {"kubernetes": in_pod} if in_pod else None)
