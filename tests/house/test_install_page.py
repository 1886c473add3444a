"""docs/install.md and what it sends people to: paths, commands and the installer of VMMs."""

import hashlib
import re
import shlex
import stat
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from schedune.api.vmworkload import VMWorkload
from schedune_cli.judging.uninstall import CLEAN
from schedune_cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
INSTALLER = ROOT / "manifests" / "components" / "vmms" / "install-vmms.sh"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMAND_LINES = re.findall(
    r"^ {4,}(\S.*)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE
)


def test_every_path_of_the_checkout_that_is_named_exists() -> None:
    named = set(re.findall(r"(?:\.\./)?((?:manifests|docs|hack|crds|examples)/[\w./-]+\w)", PAGE))
    assert len(named) >= 6
    for path in named:
        assert (ROOT / path).exists(), path
    for target in re.findall(r"\]\((?!https:)([\w./-]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for target in re.findall(r"`make (\w+)`", PAGE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def test_every_subcommand_that_is_named_exists() -> None:
    known = {one.name for one in entry_points(group=COMMANDS)}
    named = set(re.findall(r"(?:^ {4,}|`)schedune ([a-z-]+)", PAGE, re.MULTILINE))
    assert {"uninstall", "release", "explain"} <= named <= known


def test_every_command_is_a_whole_one() -> None:
    programs = {shlex.split(line)[0] for line in COMMAND_LINES}
    assert programs <= {
        "docker", "kubectl", "sh", "mkdir", "install", "schedune", "rm", "systemctl",
    }  # fmt: skip


def test_the_page_and_the_command_clean_a_node_alike() -> None:
    *_, disable, clean = COMMAND_LINES[: COMMAND_LINES.index(CLEAN.split("; ")[1]) + 1]
    assert f"{disable}; {clean}" == CLEAN


@pytest.mark.parametrize("block", BLOCKS)
def test_every_manifest_of_the_page_is_yaml_and_a_workload_is_a_good_one(block: str) -> None:
    found = yaml.safe_load(block)
    if found.get("kind") == "VMWorkload":
        VMWorkload.model_validate(found)


def folder_of(path: Path, **binaries: bytes) -> Path:
    """Return the sums of a folder with these binaries."""
    path.mkdir()
    lines = []
    for name, content in binaries.items():
        (path / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    sums = path / "SHA256SUMS"
    sums.write_text("".join(lines))
    return sums


def install(sums: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    argv = ["/bin/sh", str(INSTALLER), str(sums), str(target)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def names(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*/*")}


def test_a_vmm_is_installed_under_its_digest_for_all_to_run_and_root_to_write(
    tmp_path: Path,
) -> None:
    sums = folder_of(tmp_path / "given", firecracker=b"one", jailer=b"two")
    done = install(sums, tmp_path / "vmms")
    assert done.returncode == 0, done.stderr
    wanted = {
        f"{hashlib.sha256(content).hexdigest()}/{name}": content
        for name, content in (("firecracker", b"one"), ("jailer", b"two"))
    }
    assert names(tmp_path / "vmms") == wanted
    for path in (tmp_path / "vmms").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_second_run_touches_nothing_and_a_new_version_comes_beside(tmp_path: Path) -> None:
    target = tmp_path / "vmms"
    install(folder_of(tmp_path / "one", vmm=b"1"), target)
    before = {path: path.stat().st_ino for path in target.rglob("*/*")}
    install(tmp_path / "one" / "SHA256SUMS", target)
    install(folder_of(tmp_path / "two", vmm=b"2"), target)
    assert {path: path.stat().st_ino for path in before} == before
    assert sorted(names(target).values()) == [b"1", b"2"]
    assert not list(target.glob(".fresh-*"))


@pytest.mark.parametrize("content", [b"tampered", b""])
def test_a_binary_that_is_not_what_was_promised_stops_all(tmp_path: Path, content: bytes) -> None:
    sums = folder_of(tmp_path / "given", good=b"good", bad=b"bad")
    (tmp_path / "given" / "bad").write_bytes(content)
    done = install(sums, tmp_path / "vmms")
    assert done.returncode == 1
    assert "nothing was installed" in done.stderr
    assert not (tmp_path / "vmms").exists()


def test_the_last_line_of_the_sums_counts_without_its_end(tmp_path: Path) -> None:
    sums = folder_of(tmp_path / "given", one=b"1", two=b"2")
    sums.write_text(sums.read_text().rstrip("\n"))
    assert install(sums, tmp_path / "vmms").returncode == 0
    assert sorted(names(tmp_path / "vmms").values()) == [b"1", b"2"]


def test_a_copy_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    sums = folder_of(tmp_path / "given", vmm=b"whole")
    cut = tmp_path / "vmms" / hashlib.sha256(b"whole").hexdigest()
    cut.mkdir(parents=True)
    assert install(sums, tmp_path / "vmms").returncode == 0
    assert names(tmp_path / "vmms") == {f"{cut.name}/vmm": b"whole"}


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    done = install(tmp_path / "nowhere", tmp_path / "vmms")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)
    bare = subprocess.run(["/bin/sh", str(INSTALLER)], capture_output=True, check=False)
    assert bare.returncode == 2
