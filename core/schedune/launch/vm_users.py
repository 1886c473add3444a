"""Which user a VM runs as: a number of its own among those that an administrator set aside."""

import hashlib
from collections.abc import Collection


def choose_user(
    placement_uid: str, *, first: int, count: int, taken: Collection[int]
) -> int | None:
    """Return a number that nobody has; None: all are taken.

    The search begins where the placement's UID says: so a number that was just given back
    is not the next one's at once, and one whose record is lost is likely its own again.
    """
    start = int.from_bytes(hashlib.sha256(placement_uid.encode()).digest()[:8]) % count
    following = (first + (start + step) % count for step in range(count))
    return next((one for one in following if one not in taken), None)
