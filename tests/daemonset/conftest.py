"""One real node with the product on it, for all tests here: it takes a while to come up."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from schedune_testing.realnode.node import RealNode, running_node
from schedune_testing.realnode.product import Product, put_node_files


@pytest.fixture(scope="session")
def node() -> Iterator[RealNode]:
    """A Node of its own, Ready; its folder is short, for the sake of sockets."""
    if os.geteuid() != 0:
        pytest.skip("only root makes a node in namespaces of its own")
    with (
        tempfile.TemporaryDirectory(prefix="schedune-node-") as folder,
        running_node(Path(folder) / "node") as found,
    ):
        yield found


@pytest.fixture(scope="session")
def product(node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Schedune installed from its own manifests; its agent has told its facts."""
    put_node_files(node)
    found = Product(node, tmp_path_factory.mktemp("kustomizations"))
    found.install()
    found.await_truth()
    return found
