"""Which placements count as ended though no agent says so: fenced, or released by hand."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from schedune.api.text import WIDTH
from schedune.api.vmplacement import FINALIZER, VMPlacement
from schedune.api.vmworkload import LaunchMode
from schedune.codes import fencing as codes
from schedune.codes import summary
from schedune.codes.row import Reason
from schedune.fleet.node import OUT_OF_SERVICE
from schedune.lifecycle.fencing import Assertion, Sighting, judge_fence
from schedune.lifecycle.release import judge_release, read_release
from schedune.lifecycle.situation import Claim, Situation
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError, NotFoundError
from schedune_kube.resources import VMPLACEMENTS
from schedune_operator.leases import DEFAULT_LEASE_SECONDS
from schedune_operator.world import World

_NEVER: Final = float("-inf")


class Fencing:
    """Remembers since when machines are said to be off; seconds of our monotonic clock."""

    def __init__(self, world: World, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._world = world
        self._monotonic = monotonic
        self._asserted: dict[str, float] = {}
        """Since when, by the UID of the Node."""

    def judge(self, placement: VMPlacement) -> Reason | None:
        """Say that a placement counts as ended, or that somebody contradicts; None: neither."""
        spec = placement.spec
        release = read_release(placement)
        if release is not None:
            if self._world.heartbeats.is_deaf():
                return None  # who seems silent may speak: we do not listen
            heard = not self._world.is_silent(spec.node_name)
            others = self._listed_by(placement, own=spec.node_name)
            return judge_release(release, placement, is_heard=heard, listed_by=others)
        assertion = self._assertion(spec.node_name, spec.node_uid)
        if assertion is None:
            self._asserted.pop(spec.node_uid, None)
            return None
        since = self._asserted.setdefault(spec.node_uid, self._monotonic())
        sighting = self._sight(placement, assertion, since)
        if spec.mode is not LaunchMode.EXECUTE:
            # Nothing runs for a dry run: there is no machine to wait for.
            is_gone = assertion is Assertion.NODE_GONE
            nothing = Reason(codes.NODE_FENCED, sighting.told, "nothing was run")
            return nothing if is_gone else None
        return judge_fence(sighting)

    def watches(self, placement: VMPlacement) -> bool:
        """Say whether somebody asserts that the machine of a placement, or its VM, is off."""
        return placement.spec.node_uid in self._asserted or read_release(placement) is not None

    def _assertion(self, node_name: str, node_uid: str) -> Assertion | None:
        node = self._world.nodes.store.get(("", node_name))
        if node is None or node["metadata"]["uid"] != node_uid:
            return Assertion.NODE_GONE
        taints = (node.get("spec") or {}).get("taints") or ()
        is_off = any(one["key"] == OUT_OF_SERVICE for one in taints)
        return Assertion.OUT_OF_SERVICE if is_off else None

    def _sight(self, placement: VMPlacement, assertion: Assertion, since: float) -> Sighting:
        spec, now = placement.spec, self._monotonic()
        beat = self._world.heartbeats.last(spec.node_name)
        machine = spec.evidence.machine_id or ""
        renewed = beat.heard_from(machine) if beat is not None else _NEVER
        return Sighting(
            node_name=spec.node_name,
            node_uid=spec.node_uid,
            assertion=assertion,
            asserted_ago=now - since,
            renewed_ago=now - renewed,
            watched=self._world.heartbeats.watched_for_s(),
            lease=beat.duration_s if beat is not None else DEFAULT_LEASE_SECONDS,
            last_renewed=self._world.time_of_day(renewed),
            listed_by=self._listed_by(
                placement, own=spec.node_name if assertion is Assertion.OUT_OF_SERVICE else ""
            ),
        )

    def _listed_by(self, placement: VMPlacement, *, own: str) -> list[str]:
        """Name the nodes that are heard of and list a VM of the same workload.

        ``own`` is left out: a machine that is out of service is heard of, or not, by its own
        Lease, and what an agent says of its own placement stands in its status.
        """
        live = self._world.fleet().live.get(placement.spec.workload.uid, ())
        return [name for name in live if name != own and not self._world.is_silent(name)]


def is_proved(fence: Reason | None) -> bool:
    """Say whether a placement counts as ended."""
    return fence is not None and fence.row in (codes.NODE_FENCED, codes.VM_RELEASED)


def tell_fence(situation: Situation, fence: Reason) -> Situation:
    """Tell that the VM counts as ended, or that it does not though somebody says so.

    What an administrator asserted in error changes nothing of a VM that its agent speaks for.
    """
    told = textwrap.wrap(fence.message, WIDTH)
    if fence.row is codes.RELEASE_CONTRADICTED:
        return replace(situation, why=[*situation.why[:1], *told, *situation.why[1:]][:12])
    proved = is_proved(fence)
    not_launched = Claim("False", summary.NOT_LAUNCHED, summary.NOT_LAUNCHED.sentence)
    return replace(
        situation,
        ready=Claim("False" if proved else "Unknown", fence.row, fence.message),
        launched=not_launched if proved else situation.launched,
        settled=False,
        stalled=False,
        why=[*told, *situation.why[1:]][:12],
    )


async def release(client: KubeClient, placement: VMPlacement) -> None:
    """Delete exactly this placement and take the agent's finalizer off: nobody else is left to.

    Each step stands on the version that the one before it made; another one's write stops us.
    """
    metadata = placement.metadata
    try:
        held: Raw = await client.get(VMPLACEMENTS, metadata.name, metadata.namespace)
        if held["metadata"]["uid"] != metadata.uid:
            return
        if not held["metadata"].get("deletionTimestamp"):
            held = await client.delete(
                VMPLACEMENTS,
                metadata.name,
                metadata.namespace,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
            )
        left = held.get("metadata", {}).get("finalizers") or []
        if FINALIZER not in left:
            return
        patch = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": held["metadata"]["resourceVersion"],
                "finalizers": [one for one in left if one != FINALIZER],
            }
        }
        await client.merge_patch(VMPLACEMENTS, metadata.name, patch, metadata.namespace)
    except (NotFoundError, ConflictError):
        return
