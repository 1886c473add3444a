"""Disks and cards on QEMU's command line: formats are told, headers are not followed."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.api.vmplacement import LaunchDisk
from schedune.launch.guest_identity import mac_address
from schedune.launch.intent import MOST_DISK
from schedune_agent.system.patience import Patience
from schedune_agent.vmm.disk_files import DiskError, check_sources
from schedune_agent.vmm.port import DiskFiles
from schedune_agent.vmm.qemu.disks import render_disks
from schedune_agent.vmm.qemu.overlay import SECTOR, empty_image, whole_sectors

IMAGE = Path("/images/root,img")
OVERLAY = Path("/vms/uid/root.qcow2")


def files(access: str, source: Path | None = IMAGE, **disk: str) -> DiskFiles:
    whole = {"name": "root", "format": "Raw", "access": access, **disk}
    return DiskFiles(LaunchDisk.model_validate(whole), source, OVERLAY)


def node_of(disk: DiskFiles) -> dict[str, Any]:
    options = dict(pairwise(render_disks([disk])))
    found: dict[str, Any] = json.loads(options["-blockdev"])
    return found


def test_a_read_only_disk_is_the_artefact_itself_and_cannot_be_written() -> None:
    node = node_of(files("ReadOnly"))
    assert (node["driver"], node["read-only"]) == ("raw", True)
    assert node["file"] == {"driver": "file", "filename": str(IMAGE), "read-only": True}


def test_writes_to_an_ephemeral_disk_go_to_its_overlay_and_never_to_the_artefact() -> None:
    node = node_of(files("Ephemeral"))
    assert node["file"] == {"driver": "file", "filename": str(OVERLAY)}
    assert node["backing"]["read-only"] is True
    assert node["backing"]["file"]["filename"] == str(IMAGE)


@pytest.mark.parametrize("access", ["ReadOnly", "Ephemeral"])
def test_what_a_qcow2_artefact_names_in_its_header_is_not_opened(access: str) -> None:
    node = node_of(files(access, format="Qcow2"))
    source = node["backing"] if access == "Ephemeral" else node
    assert (source["driver"], source["backing"]) == ("qcow2", None)


def test_a_new_disk_has_nothing_below_it() -> None:
    assert node_of(files("Ephemeral", None, emptySize="1Gi"))["backing"] is None


def test_every_driver_is_named_so_that_none_is_probed() -> None:
    def drivers(node: dict[str, Any]) -> list[object]:
        inner = [one for one in node.values() if isinstance(one, dict)]
        return [node.get("driver"), *(name for one in inner for name in drivers(one))]

    for disk in (files("ReadOnly"), files("Ephemeral"), files("Ephemeral", format="Qcow2")):
        assert all(drivers(node_of(disk)))


@given(st.text(max_size=40), st.text(max_size=20))
def test_the_address_of_a_card_is_always_a_local_one_and_always_the_same(
    uid: str, network: str
) -> None:
    address = mac_address(uid, network)
    assert address == mac_address(uid, network)
    first = int(address.split(":")[0], 16)
    assert (len(address), first & 0b11) == (17, 0b10)


def test_cards_of_one_workload_and_of_two_have_addresses_of_their_own() -> None:
    pairs = [("a", "lan"), ("a", "wan"), ("b", "lan")]
    assert len({mac_address(uid, name) for uid, name in pairs}) == 3


@given(st.integers(1, MOST_DISK))
def test_a_disk_is_the_next_whole_number_of_sectors(size: int) -> None:
    whole = whole_sectors(size)
    assert whole % SECTOR == 0
    assert 0 <= whole - size < SECTOR


@pytest.mark.parametrize("size", [0, -512, 513, MOST_DISK + SECTOR])
def test_an_image_of_no_size_or_beyond_the_bound_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a disk of {size} bytes"):
        empty_image(size)


async def test_a_source_is_looked_at_again_right_before_the_launch(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    path = roots[1] / "image"
    disk = files("ReadOnly", path)

    async def refusal() -> str:
        with pytest.raises(DiskError) as refused:
            await check_sources([disk], roots, Patience())
        assert refused.value.row.code == "ERR_EXEC_DISK_SOURCE_UNUSABLE"
        return str(refused.value)

    assert await refusal() == f"root: {path} is not there"
    path.symlink_to("/etc/passwd")
    assert await refusal() == f"root: {path} is no regular file"
    path.unlink()
    path.write_bytes(b"bytes")
    await check_sources([disk], roots, Patience())
    (roots[0] / "image").write_bytes(b"of another root")
    assert await refusal() == f"root: {path} is hidden by {roots[0]}"
