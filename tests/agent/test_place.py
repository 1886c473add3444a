"""Programs and scripts run where VMs run: in real namespaces, made with ``unshare``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schedune_agent.app import _place
from schedune_agent.node import Node
from schedune_agent.probes import asking, binaries, kvm
from schedune_agent.system.child import run_child
from schedune_agent.system.launcher import LAUNCHER, Given
from schedune_agent.system.place import HERE, KINDS, Place, namespaces_of_node
from schedune_kube.settings import SettingsError
from schedune_testing.fewer_rights import without_ptrace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")


@contextmanager
def elsewhere(hidden: Path) -> Iterator[Path]:
    """Run a process that sees another folder in the place of one, and return its /proc."""
    (hidden / "mine").touch()
    mount = f"mount -t tmpfs tmpfs {hidden} && touch {hidden}/theirs"
    script = f"{mount} && hostname there && exec sleep 600"
    process = subprocess.Popen(
        ["/usr/bin/unshare", "-m", "-n", "-u", "-i", "--propagation", "private", "sh", "-c", script]
    )
    try:
        found = Path(f"/proc/{process.pid}")
        deadline = time.monotonic() + 30
        while (found / "comm").read_text() != "sleep\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    """A place where another folder is in the place of ``tmp_path``."""
    with elsewhere(tmp_path) as found:
        yield Place(tuple(found / "ns" / kind for kind in KINDS))


async def test_a_program_sees_the_files_and_the_name_of_its_place(
    there: Place, tmp_path: Path
) -> None:
    listed = await run_child(there.program(["/bin/ls", str(tmp_path)]), deadline_s=30)
    named = await run_child(there.program(["/bin/uname", "-n"]), deadline_s=30)
    assert listed.stdout == b"theirs\n"
    assert named.stdout == b"there\n"


async def test_a_script_of_ours_looks_at_the_files_there_and_needs_none_of_its_own(
    there: Place, tmp_path: Path
) -> None:
    """What it needs of Python is loaded before: nothing of it need be where it goes."""
    script = tmp_path / "asking_child.py"
    script.write_bytes(Path(asking.__file__).with_name("asking_child.py").read_bytes())
    question = f'[{{"do": "statvfs", "path": "{tmp_path}/theirs"}}]'
    said = await run_child(there.script(script, question), deadline_s=30)
    assert b'"isDirectory": false' in said.stdout, said.stderr
    assert not (tmp_path / "theirs").exists()


async def test_devices_and_binaries_are_asked_there(there: Place, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    reply = (await asking.ask([{"do": "read", "path": f"{tmp_path}/theirs"}], place=there))[0]
    assert reply.value == ""
    search = binaries.BinarySearch(["tool"], [tmp_path], there)
    assert await search.look() == {}
    assert "tool" in await binaries.BinarySearch(["tool"], [tmp_path], HERE).look()


async def test_kvm_is_asked_there(there: Place, tmp_path: Path) -> None:
    device = tmp_path / "mine"
    assert (await kvm.run_guest(device, there)).verdict == "absent"
    assert (await kvm.run_guest(device)).verdict != "absent"


async def test_a_place_that_may_not_be_entered_is_an_error_and_runs_nothing(tmp_path: Path) -> None:
    closed = Place((tmp_path / "no-namespace",))
    said = await run_child(closed.program(["/bin/echo", "ran"]), deadline_s=30)
    assert said.exit_code != 0
    assert said.stdout == b""


def test_a_vmm_is_started_there_with_nothing_open_of_where_its_agent_is(
    there: Place, tmp_path: Path
) -> None:
    with elsewhere_log(tmp_path) as log:
        given = Given("/bin/sleep", Path("/"), log, namespaces=there.namespaces)
        pid = LAUNCHER.launch(["a-vm", "600"], given)
    try:
        theirs = there.namespaces[-1].parent
        for kind in ("mnt", "net", "uts", "ipc"):
            assert Path(f"/proc/{pid}/ns/{kind}").readlink() == (theirs / kind).readlink()
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"a-vm\x00600\x00"
        assert [one.name for one in Path(f"/proc/{pid}/root{tmp_path}").iterdir()] == ["theirs"]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@contextmanager
def elsewhere_log(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_an_agent_on_the_node_itself_starts_vms_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/")
    assert namespaces_of_node(tmp_path) == ()


def test_an_agent_in_a_container_finds_the_namespaces_of_the_node(tmp_path: Path) -> None:
    with elsewhere(tmp_path) as node:
        found = namespaces_of_node(node, root=tmp_path)
        assert [one.name for one in found] == ["ipc", "uts", "net", "mnt"]


def test_an_agent_that_may_not_look_at_the_nodes_first_process_stays_where_it_is(
    tmp_path: Path,
) -> None:
    assert namespaces_of_node(tmp_path / "missing") == ()


def test_root_that_may_not_look_at_it_does_not_take_itself_for_the_node() -> None:
    with without_ptrace(), pytest.raises(PermissionError):
        namespaces_of_node()


def test_an_agent_in_a_pod_that_may_not_look_at_it_says_what_it_needs(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_ptrace():
        assert _place(node.settings, contained=False) == HERE, "on a host it is where it is"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    with without_ptrace(), pytest.raises(SettingsError, match="vmNamespaces: 'Auto' needs a look"):
        _place(node.settings, contained=True)
    own = node.settings.model_copy(update={"vm_namespaces": "Own"})
    with without_ptrace():
        assert _place(own, contained=True) == Place(is_contained=True)


async def test_here_nothing_comes_between() -> None:
    assert HERE.program(["/bin/true"]) == ["/bin/true"]
    assert HERE.script(Path("/x"), "y") == [sys.executable, "-I", "-S", "/x", "y"]
