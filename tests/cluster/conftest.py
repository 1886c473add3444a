"""What the tests on a real control plane share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from schedune_kube.client import KubeClient
from schedune_kube.kubeconfig import from_kubeconfig
from schedune_testing.cleaning import clean
from schedune_testing.control_plane import ControlPlane, running_control_plane
from schedune_testing.two_nodes import TwoNodes, two_nodes

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run one control plane for the whole session; what is left in it is everybody's."""
    with running_control_plane(tmp_path_factory.mktemp("control-plane")) as found:
        yield found


@pytest.fixture(scope="module")
def own_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run one for a module that does what others would not bear."""
    with running_control_plane(tmp_path_factory.mktemp("control-plane")) as found:
        yield found


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    """Speak to the API server as one who may do everything."""
    credentials = from_kubeconfig(control_plane.admin_kubeconfig)
    async with KubeClient(credentials, field_manager="test") as client:
        yield client


@pytest.fixture
async def cleaned(admin: KubeClient) -> AsyncIterator[None]:
    """Leave nothing of a test on a control plane of a module's own."""
    yield
    await clean(admin)


@pytest.fixture(scope="session")
def nodes(control_plane: ControlPlane) -> Iterator[TwoNodes]:
    """Bring in two nodes whose agents speak by pod-bound tokens."""
    with two_nodes(control_plane) as found:
        yield found
