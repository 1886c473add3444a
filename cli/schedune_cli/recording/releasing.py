"""What a release asks of a cluster, and the one annotation that it writes there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from schedune.api.vmplacement import VMPlacement
from schedune.lifecycle.release import ANNOTATION, Release
from schedune_cli.problems import BadInputError, Place, Problem
from schedune_cli.recording.cluster import ask_cluster
from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ConflictError, NotFoundError
from schedune_kube.resources import SELF_SUBJECT_REVIEWS, VMPLACEMENTS

_READ = "to get vmplacements"
_WRITE = "to patch vmplacements, which administrators have"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster is meant."""

    kubeconfig: Path | None
    context: str | None

    def placement(self, namespace: str, name: str) -> VMPlacement:
        """Return a placement as it is now.

        Raises:
            BadInputError: it is not there, or cannot be read.
        """

        async def ask(client: KubeClient) -> Raw | None:
            try:
                return await client.get(VMPLACEMENTS, name, namespace)
            except NotFoundError:
                return None

        raw = ask_cluster(self.kubeconfig, self.context, ask, _READ)
        if raw is None:
            told, remedy = "there is no such VMPlacement", "see `kubectl get vmp --all-namespaces`"
            raise BadInputError(
                [Problem(Place("PLACEMENT"), "", f"{namespace}/{name}", told, remedy)]
            )
        return VMPlacement.model_validate(raw)

    def assert_off(self, placement: VMPlacement, release: Callable[[str], Release]) -> Release:
        """Write down who asserts that a VM is off, as the user that the server knows.

        Raises:
            BadInputError: the placement changed meanwhile, or the right is missing.
        """

        async def ask(client: KubeClient) -> Release | None:
            made = release(await _own_name(client))
            metadata = placement.metadata
            patch = {
                "metadata": {
                    "uid": metadata.uid,
                    "resourceVersion": metadata.resource_version,
                    "annotations": {ANNOTATION: made.model_dump_json(by_alias=True)},
                }
            }
            try:
                await client.merge_patch(VMPLACEMENTS, metadata.name, patch, metadata.namespace)
            except (ConflictError, NotFoundError):
                return None
            return made

        made = ask_cluster(self.kubeconfig, self.context, ask, _WRITE)
        if made is None:
            told, remedy = "it changed while you looked", "look again: somebody is at work on it"
            raise BadInputError([Problem(Place("PLACEMENT"), "", "", told, remedy)])
        return made


async def _own_name(client: KubeClient) -> str:
    body = {"apiVersion": SELF_SUBJECT_REVIEWS.api_version, "kind": SELF_SUBJECT_REVIEWS.kind}
    review = await client.create(SELF_SUBJECT_REVIEWS, body)
    return str(review["status"]["userInfo"].get("username", ""))


def made_at(
    now: datetime, placement: VMPlacement, by: str, because: str
) -> Callable[[str], Release]:
    """Return how an assertion is made once it is known as whom."""
    return lambda user: Release(
        placement_uid=placement.metadata.uid, asserted_by=by, because=because, user=user, time=now
    )
