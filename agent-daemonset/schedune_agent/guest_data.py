"""What is told to the guest, read where it is: inline, or in a Secret that the namespace grants.

A Secret's content goes into the seed and nowhere else: no reason, log or record holds it.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schedune.api.machine import Guest, SecretKeyRef, SSHKeys, UserData
from schedune.codes import guest_data as codes
from schedune.codes.row import Reason
from schedune.launch.seed import objection_to_keys, seed_files
from schedune_agent.system.patience import LaterError
from schedune_kube.client import KubeClient
from schedune_kube.errors import ApiError, ForbiddenError, NotFoundError
from schedune_kube.resources import SECRETS

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
"""From a namespace and a Secret's name to its data; raises the tree of ``schedune_kube.errors``."""
_USER_DATA: Final = "spec.guest.userData.secretRef"
_KEYS: Final = "spec.guest.sshAuthorizedKeys.secretRef"


class GuestDataError(Exception):
    """The guest's data cannot be read or used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class GuestData:
    """What the guest is told; has no text form, since it may be secret."""

    hostname: str | None = None
    keys: tuple[str, ...] = ()
    user_data: bytes | None = None

    def files(self, placement_uid: str, incarnation: int) -> Mapping[str, bytes]:
        """Return the seed's files; each incarnation is a new instance to the guest."""
        instance = f"{placement_uid}-{incarnation}"
        return seed_files(instance, self.hostname, self.keys, self.user_data)


async def no_secrets(namespace: str, name: str) -> Mapping[str, bytes]:
    """Read no Secret: nobody gave this agent a way to."""
    raise ForbiddenError(f"no way to read {namespace}/{name}")


def secrets_of(client: KubeClient) -> ReadSecret:
    """Return how Secrets are read through a client."""

    async def read(namespace: str, name: str) -> Mapping[str, bytes]:
        data = (await client.get(SECRETS, name, namespace)).get("data") or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    return read


async def read_guest_data(guest: Guest | None, namespace: str, read: ReadSecret) -> GuestData:
    """Return what the guest is told.

    Raises:
        GuestDataError: a Secret may not be read, is not there, or holds what cannot be used.
        LaterError: the API server does not answer.
    """
    if guest is None:
        return GuestData()
    keys = await _keys(guest.ssh_authorized_keys, namespace, read)
    return GuestData(guest.hostname, keys, await _user_data(guest.user_data, namespace, read))


async def _user_data(given: UserData | None, namespace: str, read: ReadSecret) -> bytes | None:
    if given is None:
        return None
    if given.secret_ref is not None:
        return await _value(given.secret_ref, namespace, read, _USER_DATA)
    return (given.inline or "").encode()


async def _keys(given: SSHKeys | None, namespace: str, read: ReadSecret) -> tuple[str, ...]:
    if given is None:
        return ()
    if given.secret_ref is None:
        return tuple(given.inline or ())
    value = await _value(given.secret_ref, namespace, read, _KEYS)
    try:
        lines = value.decode().split("\n")
    except UnicodeDecodeError:
        raise _unusable(f"{len(value)} bytes that are not text") from None
    keys = tuple(line.strip() for line in lines if line.strip())
    objection = objection_to_keys(keys)
    if objection:
        raise _unusable(objection)
    return keys


def _unusable(observed: str) -> GuestDataError:
    return GuestDataError(Reason(codes.UNUSABLE, observed, "public keys, one a line", _KEYS))


async def _value(ref: SecretKeyRef, namespace: str, read: ReadSecret, field: str) -> bytes:
    told = f"Secret {namespace}/{ref.name}"
    try:
        data = await read(namespace, ref.name)
    except ForbiddenError:
        role = f"a Role with `get` on secrets, resourceNames [{ref.name}]"
        raise GuestDataError(Reason(codes.FORBIDDEN, told, role, field)) from None
    except NotFoundError:
        raise GuestDataError(Reason(codes.MISSING, told, "", field)) from None
    except ApiError as error:
        raise LaterError(f"{told}: {error}") from error
    if ref.key not in data:
        raise GuestDataError(Reason(codes.MISSING, f"key {ref.key!r} in {told}", "", field))
    return data[ref.key]
