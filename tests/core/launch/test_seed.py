"""What a seed says: JSON that is YAML too, whatever was written; and who a guest is."""

import json
import uuid

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schedune.launch.guest_identity import guest_uuid
from schedune.launch.seed import LONGEST_KEY, MOST_KEYS, objection_to_keys, seed_files

hostnames = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
keys = st.lists(st.text(max_size=60).filter(lambda one: not objection_to_keys([one])), max_size=4)


@given(hostnames | st.none(), keys, st.binary(max_size=200) | st.none())
def test_a_seed_says_exactly_what_was_given_to_readers_of_json_and_of_yaml(
    hostname: str | None, given_keys: list[str], user_data: bytes | None
) -> None:
    files = seed_files("uid-1", hostname, given_keys, user_data)
    wanted: dict[str, object] = {"instance-id": "uid-1"}
    wanted |= {"local-hostname": hostname} if hostname else {}
    wanted |= {"public-keys": given_keys} if given_keys else {}
    assert json.loads(files["meta-data"]) == wanted
    assert yaml.safe_load(files["meta-data"]) == wanted
    if user_data is None:
        assert yaml.safe_load(files["user-data"]) == {}
        assert files["user-data"].startswith(b"#cloud-config\n")
    else:
        assert files["user-data"] == user_data


@pytest.mark.parametrize("key", ["a\nruncmd: [reboot]", "", "  ", "a\0b", "a\x85b", "a\u2028b"])
def test_a_key_that_is_not_one_line_of_text_is_refused_without_being_shown(key: str) -> None:
    told = objection_to_keys(["ssh-ed25519 AAAA me", key])
    assert told == f"key 2, of {len(key)} characters, is not one line of text"


def test_keys_are_bounded_in_number_and_length() -> None:
    assert objection_to_keys(["k" * LONGEST_KEY] * MOST_KEYS) is None
    assert "4097 characters" in str(objection_to_keys(["k" * (LONGEST_KEY + 1)]))
    assert "33 keys" in str(objection_to_keys(["k"] * (MOST_KEYS + 1)))


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_machines_uuid_is_one_of_its_workload(uid: str, other: str) -> None:
    found = uuid.UUID(guest_uuid(uid))
    assert str(found) == guest_uuid(uid)
    assert (found.version, found.variant) == (8, uuid.RFC_4122)
    assert (guest_uuid(other) == guest_uuid(uid)) is (other == uid)
