"""Files for VMs' users: given as the very file that was meant, and opened as the kernel allows."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from schedune_agent.system.launcher import VmUser
from schedune_agent.system.ownership import acting_as, first_denied, give, let_pass

USER = VmUser(64097, 64097, (64096,))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not given: root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that others may enter, as its parents."""
    for one in (tmp_path, *tmp_path.parents):
        if one.is_relative_to("/tmp") and one != Path("/tmp"):  # noqa: S108 - pytest's own
            let_pass(one)
    return tmp_path


def test_a_file_is_given_to_its_user_alone(folder: Path) -> None:
    (folder / "disk").write_bytes(b"x")
    (folder / "disk").chmod(0o644)
    give(folder / "disk", USER)
    found = (folder / "disk").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (64097, 64097, 0o600)


_GIVES = """
import sys
from pathlib import Path
from schedune_agent.system.launcher import VmUser
from schedune_agent.system.ownership import give
for number in map(int, sys.argv[2:]):
    give(Path(sys.argv[1]), VmUser(number, number))
"""


def test_to_give_a_file_and_to_take_it_back_needs_no_right_but_to_change_owners(
    folder: Path,
) -> None:
    """FOWNER, which the smallest agent that launches does not have, is for modes of others."""
    (folder / "disk").write_bytes(b"x")
    argv = [
        "setpriv", "--bounding-set=-all,+chown,+dac_override", "--inh-caps=-all",
        sys.executable, "-c", _GIVES, str(folder / "disk"), "64097", "0", "64098",
    ]  # fmt: skip
    subprocess.run(argv, check=True)
    found = (folder / "disk").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (64098, 0o600)


@pytest.mark.parametrize("kind", ["link", "second name", "pipe", "folder"])
def test_what_stands_in_a_files_place_is_not_given_and_stays_whose_it_is(
    folder: Path, kind: str
) -> None:
    secret, place = folder / "secret", folder / "disk"
    secret.write_bytes(b"x")
    match kind:
        case "link":
            place.symlink_to(secret)
        case "second name":
            place.hardlink_to(secret)
        case "pipe":
            os.mkfifo(place)
        case _:
            place.mkdir()
    with pytest.raises(OSError, match=r"symbolic|regular|directory"):
        give(place, USER)
    assert secret.stat().st_uid == 0
    assert place.stat().st_uid == 0


def test_what_a_user_may_not_open_is_found_by_the_kernels_own_word(folder: Path) -> None:
    free, closed, behind = folder / "free", folder / "closed", folder / "private" / "file"
    behind.parent.mkdir(mode=0o700)
    for one in (free, closed, behind):
        one.write_bytes(b"x")
    closed.chmod(0o600)
    assert first_denied(USER, [free], []) is None
    assert first_denied(USER, [free, closed], []) == closed
    assert first_denied(USER, [free, behind], []) == behind
    assert first_denied(USER, [folder / "missing"], []) is None


def test_a_device_is_asked_for_reading_and_writing_with_the_groups_of_the_user(
    folder: Path,
) -> None:
    device = folder / "device"
    device.write_bytes(b"")
    os.chown(device, 0, 64096)
    device.chmod(0o660)
    assert first_denied(USER, [], [device]) is None
    assert first_denied(VmUser(64097, 64097), [], [device]) == device
    device.chmod(0o444)
    assert first_denied(USER, [device], [device]) == device


def test_we_are_ourselves_again_afterwards_and_other_threads_were_all_the_time(
    folder: Path,
) -> None:
    closed, seen = folder / "closed", list[bytes]()
    closed.write_bytes(b"x")
    closed.chmod(0o600)
    acts = threading.Event()

    def look() -> None:
        acts.wait()
        seen.append(closed.read_bytes())

    other = threading.Thread(target=look)
    other.start()
    with acting_as(USER):
        with pytest.raises(PermissionError):
            closed.read_bytes()
        acts.set()
        other.join()
    assert seen == [b"x"]
    assert closed.read_bytes() == b"x"
    assert "CapEff:\t" in Path("/proc/self/status").read_text()
    os.chown(closed, 64097, 64097)
    assert closed.read_bytes() == b"x"


def test_a_folder_lets_others_through_and_shows_them_nothing(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    let_pass(private)
    assert stat.S_IMODE(private.stat().st_mode) == 0o711
