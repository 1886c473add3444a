"""What the kernel says of the processor's vulnerabilities."""

from typing import Final

from schedune.api.nodetruth import VulnerabilityFacts
from schedune_agent.probes.partial import PartialReader, printable

_FOLDER: Final = "sys/devices/system/cpu/vulnerabilities"
_KNOWN: Final = (
    "gather_data_sampling", "indirect_target_selection", "itlb_multihit", "l1tf", "mds",
    "meltdown", "mmio_stale_data", "reg_file_data_sampling", "retbleed", "spec_rstack_overflow",
    "spec_store_bypass", "spectre_v1", "spectre_v2", "srbds", "tsa", "tsx_async_abort", "vmscape",
)  # fmt: skip
"""A kernel that does not know one of these cannot say that it is shielded."""
_MOST: Final = 64


def read_vulnerabilities(reader: PartialReader) -> VulnerabilityFacts:
    """Sort the vulnerabilities by what the kernel does about them; a missing file is unknown."""
    sorted_by: dict[str, list[str]] = {}
    for name in sorted({*_KNOWN, *reader.names(_FOLDER)})[:_MOST]:
        state = judge(reader.text(f"{_FOLDER}/{name}") or "")
        sorted_by.setdefault(state, []).append(printable(name, 64))
    return VulnerabilityFacts.model_validate(sorted_by)


def judge(text: str) -> str:
    """Return what one file says: the kernel's words begin in few ways.

    A mitigation that says "; SMT vulnerable" behind it shields in part.
    """
    if text.startswith("Not affected"):
        return "not_affected"
    shielded = "Mitigation:" in text
    if "ulnerable" in text:
        return "partial" if shielded else "vulnerable"
    return "mitigated" if shielded else "unknown"
