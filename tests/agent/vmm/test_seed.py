"""The seed as a disk: every byte of it comes back, and it is there whole or not at all."""

import io
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedune.launch.seed import seed_files
from schedune_agent.vmm.disk_files import DiskError
from schedune_agent.vmm.port import VmPaths
from schedune_agent.vmm.seed import make_seed, seed_disk, seed_image

VOLUME_NAME = slice(32808, 32840)
SECTOR = 2048


def content_of(image: bytes, view: str, name: str) -> bytes:
    iso, out = pycdlib.PyCdlib(), io.BytesIO()
    iso.open_fp(io.BytesIO(image))
    iso.get_file_from_iso_fp(out, **{view: f"/{name}"})
    iso.close()
    return out.getvalue()


@given(st.text("abc-", max_size=20), st.lists(st.text(max_size=40)), st.binary(max_size=5000))
def test_whatever_is_put_into_a_seed_comes_back_to_the_byte(
    hostname: str, keys: list[str], user_data: bytes
) -> None:
    files = seed_files("uid-1", hostname, keys, user_data)
    image = seed_image(files)
    assert image[VOLUME_NAME] == b"CIDATA".ljust(32)
    assert len(image) % SECTOR == 0
    for name, content in files.items():
        for view in ("rr_path", "joliet_path"):
            assert content_of(image, view, name) == content


def test_a_seed_is_for_its_owner_only_and_replaces_the_last_one(tmp_path: Path) -> None:
    paths = VmPaths(tmp_path / "run", tmp_path / "disks")
    for incarnation in ("first", "second"):
        make_seed(paths, {"meta-data": incarnation.encode()})
    (file,) = paths.disks.iterdir()
    assert file == seed_disk(paths).source
    assert file.stat().st_mode & 0o777 == 0o600
    assert paths.disks.stat().st_mode & 0o777 == 0o700
    assert content_of(file.read_bytes(), "rr_path", "meta-data") == b"second"


def test_a_seed_that_cannot_be_made_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "disks").write_text("in the way")
    with pytest.raises(DiskError, match=r"^seed: "):
        make_seed(VmPaths(tmp_path / "run", tmp_path / "disks"), {"meta-data": b""})
    assert [one.name for one in tmp_path.iterdir()] == ["disks"]
