"""Capabilities of an envelope, and the VMM binaries that they speak of."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from schedune.api.nodetruth import CapabilityState
from schedune.api.vmworkload import Backend
from schedune.codes.imported import CAP_NOT_EXPLAINED
from schedune.launch.version import parse_version
from schedune_cli.importing.fields import Fields
from schedune_cli.importing.notes import render_value

CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)
LATEST: Final = 253402300799
"""The last second of a year with four digits."""
_STATES: Final = {one.value: one for one in CapabilityState}
_LONGEST: Final = 256
_BINARIES: Final[Mapping[str, tuple[Backend, str]]] = {
    "qemu_binary_present": (Backend.QEMU, "qemu-system-{}"),
    "cloud_hypervisor_binary_present": (Backend.CLOUD_HYPERVISOR, "cloud-hypervisor"),
    "firecracker_binary_present": (Backend.FIRECRACKER, "firecracker"),
}
"""Capability, backend and program name; QEMU's carries the architecture."""


def capabilities_of(fields: Fields) -> list[dict[str, object]]:
    """Read capabilities; of two with one name the last one counts, as in the original."""
    found: dict[str, dict[str, object]] = {}
    for one in fields.parts("capabilities"):
        name = one.text("feature", required=True)
        if found.pop(name, None) is not None:
            one.change("feature", "there are several of this name: the last one counts")
        found[name] = {"name": name, **_answer(one), **_times(one)}
        one.close()
    return list(found.values())


def _answer(fields: Fields) -> dict[str, object]:
    state = fields.required_choice("state", _STATES)
    code = fields.text("reason_code")
    answer: dict[str, object] = {"state": state, "reasonCode": code, **_provenance(fields)}
    if not CODE.fullmatch(code):
        if code:
            fields.change("reason_code", f"no code here: written as {CAP_NOT_EXPLAINED.code}")
        answer["reasonCode"] = CAP_NOT_EXPLAINED.code
    if version := fields.text("version"):
        answer["value"] = shorten(fields, "version", version)
    return answer


def _provenance(fields: Fields) -> dict[str, object]:
    value = fields.read("provenance")
    if isinstance(value, Mapping):
        told = "; ".join(f"{key}: {one}" for key, one in value.items())
        return {"source": render_value(told).strip('"')}
    return {"method": value[:_LONGEST]} if isinstance(value, str) and value else {}


def _times(fields: Fields) -> dict[str, object]:
    """Read when it was seen and until when it holds; the end of that is kept exactly."""
    seen = fields.integer("observed_at_sec", most=LATEST)
    until = fields.optional_integer("stale_after_sec", least=0, most=LATEST)
    if until is None:
        return {"observedTime": moment(seen)}
    if until <= seen:
        fields.change("observed_at_sec", f"moved before stale_after_sec ({until}), which counts")
        seen = until - 1
    return {"observedTime": moment(seen), "staleAfterSeconds": until - seen}


def backends_of(
    capabilities: list[dict[str, object]], machine: str, architecture: str
) -> list[dict[str, object]]:
    """Return the VMM binaries that are Supported; where they are, no envelope says."""
    found: list[dict[str, object]] = []
    for one in capabilities:
        backend, program = _BINARIES.get(str(one["name"]), (None, ""))
        if backend is not None and one["state"] is CapabilityState.SUPPORTED:
            line = str(one.get("value", ""))
            fact: dict[str, object] = {
                "name": backend,
                "path": program.format(machine),
                "architecture": architecture,
                **({"versionLine": line} if line else {}),
            }
            version = parse_version(line)
            if version is not None:
                fact["version"] = ".".join(map(str, version))
            found.append(fact)
    return found


def moment(seconds: int) -> datetime:
    """Return a Unix time as a moment."""
    return datetime.fromtimestamp(seconds, UTC)


def shorten(fields: Fields, name: str, text: str) -> str:
    """Cut a text to what a fact may hold, and say so."""
    if len(text) > _LONGEST:
        fields.change(name, f"cut to {_LONGEST} characters")
    return text[:_LONGEST]
