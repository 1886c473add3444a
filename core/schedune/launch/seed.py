"""What a NoCloud seed holds, as bytes: written as JSON, which is YAML too, never by a template."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

SEED_DISK: Final = "seed"
"""Name and serial number of the seed among the guest's disks."""
MOST_KEYS: Final = 32
LONGEST_KEY: Final = 4096
"""In characters."""
_NO_USER_DATA: Final = b"#cloud-config\n{}\n"


def seed_files(
    instance_id: str, hostname: str | None, keys: Sequence[str], user_data: bytes | None
) -> Mapping[str, bytes]:
    """Return the seed's files by name.

    Host name and keys go into the metadata, so that the user data stays the user's own to the byte.
    """
    metadata: dict[str, object] = {"instance-id": instance_id}
    if hostname:
        metadata["local-hostname"] = hostname
    if keys:
        metadata["public-keys"] = list(keys)
    # Not escaped: YAML reads an escaped pair of surrogates as two characters.
    text = json.dumps(metadata, ensure_ascii=False)
    return {
        "meta-data": text.encode() + b"\n",
        "user-data": _NO_USER_DATA if user_data is None else user_data,
    }


def objection_to_keys(keys: Sequence[str]) -> str | None:
    """Say what is wrong with SSH keys, by their number and size, never by what they hold."""
    if len(keys) > MOST_KEYS:
        return f"{len(keys)} keys: at most {MOST_KEYS} are taken"
    for number, key in enumerate(keys, start=1):
        if len(key) > LONGEST_KEY:
            return f"key {number} has {len(key)} characters: at most {LONGEST_KEY} are taken"
        if not key.strip() or not key.isprintable():
            return f"key {number}, of {len(key)} characters, is not one line of text"
    return None
