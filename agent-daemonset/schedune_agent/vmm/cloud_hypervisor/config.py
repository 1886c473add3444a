"""The body of Cloud Hypervisor's ``vm.create``, closed: it takes a misspelt key for none.

Only what we send is here; every member is in the API of each version that is launched
(51.2 and later).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cpus(_Closed):
    """Virtual CPUs; none is added later."""

    boot_vcpus: Annotated[int, Field(ge=1)]
    max_vcpus: Annotated[int, Field(ge=1)]


class Memory(_Closed):
    """Guest memory, in bytes."""

    size: Annotated[int, Field(ge=2**20, multiple_of=4096)]
    hugepages: bool = False
    hugepage_size: int | None = None


class Payload(_Closed):
    """What the guest starts from; none is found at the boot only, too late."""

    kernel: str | None = None
    firmware: str | None = None
    initramfs: str | None = None
    cmdline: str | None = None

    @model_validator(mode="after")
    def _starts_from_something(self) -> Self:
        if (self.kernel is None) is (self.firmware is None):
            raise ValueError("a VM starts from a kernel or from firmware")
        return self


class Disk(_Closed):
    """One disk: its format is always told, and what its header names is never followed."""

    id: str
    serial: str
    path: str
    readonly: bool
    image_type: Literal["Raw", "Qcow2"]
    backing_files: Literal[False] = False


class Net(_Closed):
    """One network card on a tap of this name, which is there: only then is it left as it is."""

    id: str
    tap: Annotated[str, Field(pattern=r"^sch[a-z2-7]{12}$")]
    mac: str


class Serial(_Closed):
    """The console; at a socket it is held in a ring of 1 MiB until somebody reads it."""

    mode: Literal["Socket"] = "Socket"
    socket: str


class Console(_Closed):
    """The virtio console, which we do not use."""

    mode: Literal["Off"] = "Off"


class Rng(_Closed):
    """Where the guest's entropy comes from."""

    src: Literal["/dev/urandom"] = "/dev/urandom"


class Vsock(_Closed):
    """The way on which the guest is asked for its nonce."""

    cid: Annotated[int, Field(ge=3)]
    socket: str


class Platform(_Closed):
    """What the guest's SMBIOS says."""

    uuid: str


class VmConfig(_Closed):
    """One VM."""

    cpus: Cpus
    memory: Memory
    payload: Payload
    disks: list[Disk] | None = None
    net: list[Net] | None = None
    serial: Serial
    console: Console = Console()
    rng: Rng = Rng()
    vsock: Vsock
    platform: Platform
    pvpanic: Literal[True] = True
    landlock_enable: bool = False

    def render(self) -> dict[str, object]:
        """Return it as JSON takes it; what is not said is left out."""
        return self.model_dump(mode="json", exclude_none=True)
