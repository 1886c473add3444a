"""What the client sends, as a real API server reads it."""

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_kube.resources import CONFIGMAPS
from schedune_testing.control_plane import ControlPlane


async def test_a_name_that_is_no_utf_8_is_sent_and_stored_as_it_can_be_read(
    control_plane: ControlPlane,
) -> None:
    name = b"disk-\xff.raw".decode(errors="surrogateescape")
    body = {"metadata": {"name": "odd-words"}, "data": {"file": name}}
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as client:
        stored = await client.create(CONFIGMAPS, body, "default")
    assert stored["data"] == {"file": "disk-\N{REPLACEMENT CHARACTER}.raw"}
