"""Which VMMs may run the guest: preference, fallback and versions."""

from collections.abc import Mapping
from typing import Final

from schedune.api.vmworkload import Backend, RuntimeClass
from schedune.launch.intent import DEFAULT_PREFERENCE
from schedune.launch.version import parse_version
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.words import BACKENDS

_OTHER: Final = {
    Backend.CLOUD_HYPERVISOR: Backend.QEMU,
    Backend.QEMU: Backend.CLOUD_HYPERVISOR,
}
"""What a VirtualMachine falls back to."""


def policy_of(
    preferred: Fields, demanded: Fields, runtime_class: RuntimeClass
) -> dict[str, object]:
    """Return ``spec.backend``: preference and versions; empty: the default."""
    preference = _preference(preferred, runtime_class)
    policy: dict[str, object] = {"preference": list(preference)} if preference else {}
    versions = _versions(
        demanded.part("runtime_version"), preference or DEFAULT_PREFERENCE[runtime_class]
    )
    return {**policy, "versions": versions} if versions else policy


def _preference(fields: Fields, runtime_class: RuntimeClass) -> tuple[Backend, ...]:
    """Read preference and fallback as the original understands them; empty: none is named."""
    name = "runtime_backend_preference"
    falls_back = fields.flag("allow_backend_fallback")
    wanted = fields.choice(name, BACKENDS, None)
    if runtime_class is RuntimeClass.MICRO_VM:
        if wanted not in (None, Backend.FIRECRACKER):
            fields.change(name, "the original runs every MicroVM by Firecracker: so does this")
        return (Backend.FIRECRACKER,)
    if wanted is None:
        return ()
    other = _OTHER.get(wanted)
    return (wanted, other) if falls_back and other is not None else (wanted,)


def _versions(fields: Fields, backends: tuple[Backend, ...]) -> list[dict[str, object]]:
    """Demand the same version of every backend that is tried, as the original does."""
    minimum, exact = _version(fields, "minimum_version"), _version(fields, "exact_version")
    fields.close()
    if minimum and exact:
        if (parse_version(exact) or ()) < (parse_version(minimum) or ()):
            fields.refuse("exact_version", "is below minimum_version: no version is both")
        fields.drop("minimum_version", "exact_version says more")
        minimum = ""
    demand: Mapping[str, object] = {"exact": exact} if exact else {"minimum": minimum}
    return [{"name": one, **demand} for one in backends] if minimum or exact else []


def _version(fields: Fields, name: str) -> str:
    text = fields.text(name)
    found = parse_version(text)
    if text and found is None:
        fields.refuse(name, "holds no version: write MAJOR.MINOR or MAJOR.MINOR.PATCH")
        return ""
    if found is None:
        return ""
    plain = ".".join(map(str, found))
    if not plain.startswith(text):
        fields.change(name, f"read as {plain}")
    return plain
