"""Versions of backends: read out of whatever a binary says of itself, and compared.

One reading for all of them (upstream.md 9.3): the first ``major.minor[.patch]`` of the
text counts, suffixes do not, and numbers are compared as numbers.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schedune.codes import launch as codes
from schedune.codes.row import Reason

Version = tuple[int, int, int]

_FORM: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?", re.ASCII)
_LARGEST: Final = 2**63 - 1
_LONGEST: Final = 19
"""Digits of the largest number; longer ones are not even converted."""


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version | None:
    """Return major, minor and patch, a missing patch as 0; None: no version is in there."""
    found = _FORM.search(text)
    if found is None:
        return None
    digits = [group.lstrip("0") or "0" for group in (found[1], found[2], found[3] or "0")]
    if any(len(one) > _LONGEST or int(one) > _LARGEST for one in digits):
        return None
    major, minor, patch = map(int, digits)
    return major, minor, patch


def judge_version(
    observed: str | None, *, subject: str, minimum: str | None = None, exact: str | None = None
) -> Iterator[Reason]:
    """Give everything that stands against a version; nothing demanded is nothing wrong."""
    demanded = exact or minimum
    if not demanded:
        return
    if not observed:
        yield Reason(codes.VERSION_UNKNOWN, "unknown", demanded, subject)
        return
    held = parse_version(observed)
    if held is None:
        yield _unparseable(observed, demanded, subject)
        return
    if exact:
        yield from _judge_exact(held, observed, exact, subject)
    if minimum:
        yield from _judge_minimum(held, observed, minimum, subject)


def _judge_exact(held: Version, observed: str, exact: str, subject: str) -> Iterator[Reason]:
    wanted = parse_version(exact)
    if wanted is None:
        yield _unparseable(exact, observed, subject)
    elif held != wanted:
        yield Reason(codes.VERSION_MISMATCH, _render(held), exact, subject)


def _judge_minimum(held: Version, observed: str, minimum: str, subject: str) -> Iterator[Reason]:
    wanted = parse_version(minimum)
    if wanted is None:
        yield _unparseable(minimum, observed, subject)
    elif held < wanted:
        yield Reason(codes.VERSION_TOO_OLD, _render(held), minimum, subject)


def _unparseable(text: str, other: str, subject: str) -> Reason:
    return Reason(codes.VERSION_UNPARSEABLE, f"'{text}'", f"'{other}'", subject)


def _render(version: Version) -> str:
    return ".".join(map(str, version))
