"""Versions of VMMs: read from what a binary says of itself, and compared (upstream.md 9.3)."""

import re
from functools import lru_cache
from typing import Final

Version = tuple[int, int, int]
_FORM: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?", re.ASCII)
_LARGEST: Final = 2**63 - 1


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version | None:
    """Return the first ``major.minor[.patch]`` of a text; None: there is none that can be meant.

    A missing patch is 0; suffixes and a fourth part are passed over.
    """
    found = _FORM.search(text)
    if found is None:
        return None
    numbers = tuple(int(part or 0) for part in found.groups())
    if max(numbers) > _LARGEST:
        return None
    major, minor, patch = numbers
    return major, minor, patch
