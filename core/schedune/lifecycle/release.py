"""The break-glass: an administrator asserts that a VM is off, where nobody else can say so.

The assertion is an annotation of the VMPlacement, bound to its UID: one that came with a
copy of the object, or was left from an earlier one, asserts nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field, ValidationError

from schedune.api.base import UID, StatusModel, Time
from schedune.api.vmplacement import PlacementState, VMPlacement
from schedune.codes import fencing as codes
from schedune.codes.row import Reason
from schedune.telling.page import printable

ANNOTATION: Final = "schedune.io/release"


class Release(StatusModel):
    """Who asserted that a VM is off, when, and why."""

    placement_uid: UID = Field(alias="placementUID")
    """Of which VMPlacement."""
    asserted_by: Annotated[str, Field(min_length=1, max_length=64)]
    """Who takes the responsibility, in his own words."""
    because: Annotated[str, Field(min_length=1, max_length=100)]
    """How he knows."""
    user: Annotated[str, Field(max_length=256)] = ""
    """The user that the API server knew him by."""
    time: Time
    """When."""


def read_release(placement: VMPlacement) -> Release | None:
    """Return what was asserted of exactly this placement; None: nothing that can be read."""
    text = placement.metadata.annotations.get(ANNOTATION)
    if text is None:
        return None
    try:
        release = Release.model_validate_json(text)
    except ValidationError:
        return None
    return release if release.placement_uid == placement.metadata.uid else None


def judge_release(
    release: Release, placement: VMPlacement, *, is_heard: bool, listed_by: Sequence[str]
) -> Reason:
    """Say that the VM counts as ended, or who contradicts.

    ``is_heard`` is about the placement's own node: its agent knows better, unless it says that
    it does not know. ``listed_by`` are other nodes that are heard of and say that they run it.
    """
    user = f" (as {release.user})" if release.user else ""
    told = printable(f"{release.asserted_by}{user} asserted at {release.time:%Y-%m-%dT%H:%M:%SZ}")
    status, node = placement.status, placement.spec.node_name
    if listed_by:
        names = ", ".join(sorted(listed_by))
        contradicts = f"{names} lists a VM of this workload"
        return Reason(codes.RELEASE_CONTRADICTED, f"{told} that it is off", contradicts)
    if is_heard and status.ended is None and status.state is not PlacementState.UNKNOWN:
        state = f"says {status.state.value}" if status.state else "has it before it"
        contradicts = f"the agent of {node} answers and {state}"
        return Reason(codes.RELEASE_CONTRADICTED, f"{told} that it is off", contradicts)
    return Reason(codes.VM_RELEASED, f"{told} that it is off", printable(release.because))
