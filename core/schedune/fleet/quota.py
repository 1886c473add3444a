"""What the VMs of a namespace may claim together, as annotations of the Namespace say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schedune.api.quantity import QuantityError, parse_bytes

MAX_VCPUS: Final = "schedune.io/max-vcpus"
MAX_MEMORY: Final = "schedune.io/max-memory"
ANNOTATIONS: Final = (MAX_VCPUS, MAX_MEMORY)
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one namespace; None: none."""

    vcpus: int | None = None
    memory_bytes: int | None = None
    """Guest memory: what the VMM itself needs is not the user's."""
    unreadable: str = ""
    """The annotations that say nothing that can be read."""


def read_quota(annotations: Mapping[str, str]) -> Quota | None:
    """Return the limits that annotations set; None: they set none."""
    if not any(name in annotations for name in ANNOTATIONS):
        return None
    bad = []
    vcpus = memory = None
    text = annotations.get(MAX_VCPUS)
    if text is not None:
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
            vcpus = int(text)
        else:
            bad.append(f"{MAX_VCPUS}: {text[:40]!r}")
    text = annotations.get(MAX_MEMORY)
    if text is not None:
        try:
            memory = parse_bytes(text)
        except QuantityError:
            bad.append(f"{MAX_MEMORY}: {text[:40]!r}")
    return Quota(vcpus, memory, ", ".join(bad))
