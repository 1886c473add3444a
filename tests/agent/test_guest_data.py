"""Where a guest's data are read, and what is said when they cannot be."""

from collections.abc import Mapping

import pytest

from schedune.api.machine import Guest
from schedune_agent.guest_data import (
    GuestData,
    GuestDataError,
    LaterError,
    no_secrets,
    read_guest_data,
)
from schedune_kube.errors import ApiError, NoAnswerError, NotFoundError, UnauthorizedError

KEY = "ssh-ed25519 AAAAC3Nz me@example"
REF = {"name": "vm-data", "key": "it"}
DATA = Guest.model_validate({"userData": {"secretRef": REF}})
KEYS = Guest.model_validate({"sshAuthorizedKeys": {"secretRef": REF}})


async def read(guest: Guest, *answers: Mapping[str, bytes] | ApiError) -> GuestData:
    left = list(answers)

    async def secret(namespace: str, name: str) -> Mapping[str, bytes]:
        assert (namespace, name) == ("team", "vm-data")
        answer = left.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    return await read_guest_data(guest, "team", secret)


async def refusal(guest: Guest, answer: Mapping[str, bytes] | ApiError) -> tuple[str, str]:
    with pytest.raises(GuestDataError) as caught:
        await read(guest, answer)
    return caught.value.reason.row.code, str(caught.value)


async def test_what_is_inline_needs_no_secret() -> None:
    guest = Guest.model_validate(
        {"hostname": "web", "userData": {"inline": "#!ü"}, "sshAuthorizedKeys": {"inline": [KEY]}}
    )
    found = await read(guest)
    assert (found.hostname, found.keys, found.user_data) == ("web", (KEY,), "#!ü".encode())


async def test_user_data_of_a_secret_is_taken_to_the_byte() -> None:
    assert (await read(DATA, {"it": b"\x1f\x8b\0\xff"})).user_data == b"\x1f\x8b\0\xff"


async def test_keys_of_a_secret_are_its_lines() -> None:
    found = await read(KEYS, {"it": f"\r\n{KEY}\r\n\n{KEY} 2\n".encode()})
    assert found.keys == (KEY, f"{KEY} 2")


async def test_a_secret_that_is_not_granted_is_forbidden_and_the_role_is_named() -> None:
    with pytest.raises(GuestDataError) as caught:
        await read_guest_data(DATA, "team", no_secrets)
    reason = caught.value.reason
    assert reason.row.code == "GUEST_DATA_FORBIDDEN"
    assert "spec.guest.userData.secretRef" in reason.message
    assert "Secret team/vm-data" in reason.message
    assert "resourceNames [vm-data]" in reason.message
    assert "docs/guest-data.md" in reason.row.remedy


async def test_a_secret_or_a_key_that_is_not_there_is_missing() -> None:
    code, told = await refusal(DATA, NotFoundError("404"))
    assert (code, "no Secret team/vm-data" in told) == ("GUEST_DATA_MISSING", True)
    code, told = await refusal(KEYS, {"other": b"hush"})
    assert (code, "no key 'it' in Secret team/vm-data" in told) == ("GUEST_DATA_MISSING", True)
    assert "hush" not in told


@pytest.mark.parametrize(
    ("value", "size"),
    [(b"hush\xff", "5 bytes"), (b"hush\0", "5 characters"), (b"hush\n" * 33, "33 keys")],
)
async def test_keys_that_cannot_be_used_are_told_by_their_size_only(
    value: bytes, size: str
) -> None:
    code, told = await refusal(KEYS, {"it": value})
    assert code == "GUEST_DATA_UNUSABLE"
    assert size in told
    assert "hush" not in told


@pytest.mark.parametrize("error", [NoAnswerError("no answer"), UnauthorizedError("401")])
async def test_an_api_server_that_does_not_answer_is_asked_again(error: ApiError) -> None:
    with pytest.raises(LaterError, match="Secret team/vm-data"):
        await read(DATA, error)


def test_what_was_read_has_no_text_form() -> None:
    found = GuestData("web", (KEY,), b"hush")
    assert "hush" not in f"{found!r}{found}"
