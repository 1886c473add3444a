"""What the API server asks, read no further than is needed: it may be large, and nonsense."""

import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from schedune_kube.client import Raw

HEAD: Final = 1024
"""In so many bytes the API server has named its request."""
_UID: Final = re.compile(rb'"request"\s*:\s*{\s*"uid"\s*:\s*"([\w.-]{1,64})"')
_T = TypeVar("_T")


class NonsenseError(Exception):
    """What was sent is no AdmissionReview."""


class Question(Struct, frozen=True):
    """A request of ``admission.k8s.io/v1``."""

    uid: str
    object: msgspec.Raw
    namespace: str | None = None
    operation: str = ""

    def read_object(self) -> Raw:
        """Return the object that somebody applies.

        Raises:
            NonsenseError: it is none.
        """
        return _read(self.object, dict[str, Any])


class _Review(Struct, frozen=True):
    request: Question


def read_question(body: bytes) -> Question:
    """Read a request, but not yet its object.

    Raises:
        NonsenseError: it is none.
    """
    return _read(body, _Review).request


def uid_of(head: bytes) -> str | None:
    """Return which request it is by the first bytes of it; None: they do not say."""
    found = _UID.search(head)
    return found[1].decode("ascii", "replace") if found else None


def _read(text: bytes | msgspec.Raw, form: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=form)
    except (ValueError, RecursionError) as error:
        raise NonsenseError from error
