"""What the operator writes of placements: made, stopped, deleted; each safe to repeat."""

from typing import Any

from schedune.api.base import API_VERSION
from schedune.api.scheduling_policy import DEFAULT_POLICY, SchedulingPolicy
from schedune.api.vmplacement import (
    FINALIZER,
    Claim,
    Evidence,
    VMPlacement,
    VMPlacementSpec,
    WorkloadRef,
)
from schedune.api.vmworkload import Architecture, LaunchMode, VMWorkload
from schedune.codes.summary import WORKLOAD_GONE
from schedune.decision.digest import digest_of
from schedune.decision.placing import Placing
from schedune.launch.resolve import resolve_launch, resolve_versions
from schedune.lifecycle.changes import required_digest
from schedune.lifecycle.disks import disks_to_remove
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import (
    AlreadyExistsError,
    ApiStatusError,
    ConflictError,
    FencedError,
    NotFoundError,
    TooManyRequestsError,
)
from schedune_kube.reflector import Key
from schedune_kube.resources import VMPLACEMENTS
from schedune_operator.world import World


def placement_body(
    workload: VMWorkload, placing: Placing, policy: SchedulingPolicy, *, attempt: int, epoch: int
) -> Raw:
    """Return the binding of a workload to the chosen node."""
    node, backend, intent = placing.node, placing.backend, placing.intent
    if node.facts is None:
        raise LookupError(f"{node.name} was chosen without facts")
    spec = VMPlacementSpec(
        attempt=attempt,
        backend=backend,
        claim=_claim(placing.claim, policy),
        evidence=_evidence(placing, epoch),
        launch=resolve_launch(intent, Architecture(node.facts.architecture), backend),
        mode=workload.spec.launch_mode,
        node_name=node.name,
        node_uid=node.uid,
        versions=resolve_versions(intent, backend, policy),
        workload=WorkloadRef(
            generation=workload.metadata.generation,
            namespace_uid=intent.namespace_uid or None,
            uid=workload.metadata.uid,
            restart_token=workload.spec.restart_token,
        ),
    )
    metadata: dict[str, Any] = {
        "name": workload.metadata.name,
        "namespace": workload.metadata.namespace,
        "ownerReferences": [_owner(workload)],
    }
    if workload.spec.launch_mode is LaunchMode.EXECUTE:
        metadata["finalizers"] = [FINALIZER]
    return {
        "apiVersion": API_VERSION,
        "kind": "VMPlacement",
        "metadata": metadata,
        "spec": spec.render(),
    }


def _claim(claim: Claim, policy: SchedulingPolicy) -> Claim:
    """Say by which measure it was judged: the agent judges it again."""
    percent = policy.vcpu_overcommit_percent
    if percent == DEFAULT_POLICY.vcpu_overcommit_percent:
        return claim
    return claim.model_copy(update={"vcpu_overcommit_percent": percent})


def _evidence(placing: Placing, epoch: int) -> Evidence:
    return Evidence(
        truth_digest=placing.node.digest or "",
        decision_digest=digest_of(placing.evaluation.model_dump(mode="json", exclude={"time"})),
        score=placing.score,
        decision_time=placing.evaluation.time,
        machine_id=placing.node.machine_id or None,
        placement_digest=required_digest(placing.intent.spec.placement),
        operator_epoch=epoch,
    )


def _owner(workload: VMWorkload) -> Raw:
    return {
        "apiVersion": API_VERSION,
        "kind": "VMWorkload",
        "name": workload.metadata.name,
        "uid": workload.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def create(client: KubeClient, world: World, key: Key, body: Raw) -> bool:
    """Create a placement: its name makes sure that there is only one. Return whether it is ours.

    Raises:
        ApiError: it was not made, or nobody knows; then what it would hold stays counted.
    """
    try:
        created = await client.create(VMPLACEMENTS, body, key[0])
    except AlreadyExistsError:
        world.give_up(key)
        return False
    except (ApiStatusError, FencedError, TooManyRequestsError):
        world.give_up(key)  # after any other error it may be there all the same
        raise
    world.absorb(created)
    return True


async def order_stop(client: KubeClient, placement: VMPlacement, reason: str, grace_s: int) -> None:
    """Order the end of a VM; an order that stands already is left alone.

    Not so where the workload is gone: that is news for the disks that go with it.
    """
    standing = placement.spec.stop
    if standing is not None and (
        reason != WORKLOAD_GONE.reason
        or standing.reason == reason
        or not disks_to_remove(placement)
    ):
        return
    metadata, grace_s = (
        placement.metadata,
        min(grace_s, standing.grace_seconds if standing else grace_s),
    )
    patch = {
        "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version},
        "spec": {"stop": {"reason": reason, "graceSeconds": grace_s}},
    }
    try:
        await client.merge_patch(VMPLACEMENTS, metadata.name, patch, metadata.namespace)
    except (NotFoundError, ConflictError):
        return


async def delete(client: KubeClient, placement: VMPlacement) -> None:
    """Delete exactly this placement, as we know it."""
    metadata = placement.metadata
    if metadata.deletion_timestamp is not None:
        return
    try:
        await client.delete(
            VMPLACEMENTS,
            metadata.name,
            metadata.namespace,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
        )
    except (NotFoundError, ConflictError):
        return
