"""Files, folders, links and streams that cannot be read, or not as they seem."""

import json
import os
import socket
import time
from pathlib import Path

import pytest
import yaml

from schedune_testing.recordings import Files, run, truth, workload


def good_call(files: Files, *paths: str | Path) -> tuple[int, str, str]:
    files.write("good/vm.yaml", workload("good"))
    files.write("fleet.yaml", truth("a"))
    manifests = [one for path in (*paths, "good") for one in ("-f", path)]
    told = run("explain", *manifests, "--truth", "fleet.yaml")
    assert "Traceback" not in told.output
    return told.exit_code, told.stdout, told.stderr


def test_a_missing_file_is_said(files: Files) -> None:
    status, out, err = good_call(files, "nowhere.yaml")
    assert (status, "default/good" in out) == (2, True)
    assert "nowhere.yaml: there is no such file" in err


def test_a_file_that_may_not_be_read_is_said(files: Files) -> None:
    closed = files.write("closed.yaml", workload())
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        closed.unlink()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind("closed.yaml")  # whoever may read everything cannot open a socket
        listening.close()
    status, _, err = good_call(files, "closed.yaml")
    assert status == 2
    assert "closed.yaml: cannot be read" in err


def test_a_folder_without_manifests_is_said(files: Files) -> None:
    (files.folder / "empty").mkdir()
    status, _, err = good_call(files, "empty")
    assert status == 2
    assert "empty: holds no file that ends in .yaml" in err


def test_bytes_that_are_not_utf_8_are_said_with_their_line(files: Files) -> None:
    files.text("latin.yaml", "kind: a\nname: caf\xe9\n".encode("latin-1"))
    status, _, err = good_call(files, "latin.yaml")
    assert status == 2
    assert "latin.yaml:2: is not UTF-8 (got 0xe9)" in err


def test_a_link_that_leads_back_is_not_followed_for_ever(files: Files) -> None:
    files.write("tree/deep/vm.yaml", workload("deep"))
    (files.folder / "tree/deep/back").symlink_to("../../tree")
    (files.folder / "tree/self.yaml").symlink_to("self.yaml")
    status, out, err = good_call(files, "tree")
    assert status == 2
    assert "default/deep" in out
    assert "tree/deep/back: leads back to tree" in err
    assert "tree/self.yaml: cannot be read" in err


def test_a_file_that_is_reached_twice_is_read_once(files: Files) -> None:
    files.write("tree/vm.yaml", workload("one"))
    (files.folder / "tree/link.yaml").symlink_to("vm.yaml")
    (files.folder / "tree/folder").symlink_to("../good")
    status, out, err = good_call(files, "tree", "tree/vm.yaml", Path("tree").resolve())
    assert (status, err) == (0, "")
    assert "2 of 2" in out


def test_a_mounted_config_map_is_read_once(files: Files) -> None:
    files.write("map/..2026/vm.yaml", workload("one"))
    (files.folder / "map/..data").symlink_to("..2026")
    (files.folder / "map/vm.yaml").symlink_to("..data/vm.yaml")
    status, out, _ = good_call(files, "map")
    assert status == 0
    assert "map/vm.yaml" in out


@pytest.mark.parametrize(
    "junk",
    ["a: b\n" * 2_000_000, "x" * 10_000_000, "- " * 5_000_000, "[" * 10_000_000, "\n" * 10_000_000],
    ids=["keys", "text", "lists", "brackets", "lines"],
)
def test_ten_megabytes_of_junk_are_refused_at_once(junk: str, files: Files) -> None:
    files.text("junk.yaml", junk)
    began = time.monotonic()
    status, out, _ = good_call(files, "junk.yaml")
    assert status == 2
    assert "default/good" in out
    assert time.monotonic() - began < 5


def test_a_stream_that_is_empty_is_no_success(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", "-", "--truth", "fleet.yaml", stdin="")
    assert told.exit_code == 2
    assert "stdin: is empty; check what should have filled it" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("explain", "-f", "-", "--truth", "-"), "--filename and --truth"),
        (("nodes", "--truth", "-", "--policy", "-"), "--truth and --policy"),
        (("simulate", "--truth", "-", "--add", "-"), "--truth and --add"),
        (("explain", "--at", "-", "--diff", "-"), "--at and --diff"),
        (("truth", "diff", "-", "-"), "OLD and NEW"),
    ],
)
def test_a_stream_that_is_to_be_read_twice_is_refused_by_name(
    arguments: tuple[str, ...], named: str
) -> None:
    told = run(*arguments, stdin=yaml.safe_dump(truth("a")))
    assert told.exit_code == 2
    assert f"stdin: is given as {named}, and can be read once" in told.stderr
    assert "is empty" not in told.stderr


def test_a_policy_comes_from_a_pipe(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    told = run("nodes", "--truth", "fleet.yaml", "--policy", "-", stdin="knob: 1")
    assert (told.exit_code, "stdin:1: knob" in told.stderr) == (2, True)


def test_manifests_come_from_a_pipe(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    text = yaml.safe_dump_all([{"apiVersion": "v1", "kind": "Service"}, workload("piped")])
    told = run("explain", "-f", "-", "--truth", "fleet.yaml", stdin=text)
    assert told.exit_code == 0
    assert "default/piped  (stdin:4)" in told.stdout


def test_manifests_come_from_a_pipe_that_has_a_name(files: Files) -> None:
    files.write("fleet.yaml", truth("a"))
    reading, writing = os.pipe()
    os.write(writing, yaml.safe_dump(workload("piped")).encode())
    os.close(writing)
    told = run("explain", "-f", f"/dev/fd/{reading}", "--truth", "fleet.yaml")
    os.close(reading)
    assert told.exit_code == 0, told.output
    assert "default/piped" in told.stdout


@pytest.mark.parametrize("form", ["text", "json", "yaml", "junit", "sarif", "github"])
def test_characters_that_cannot_be_written_are_escaped(form: str, files: Files) -> None:
    name = os.fsdecode(b"caf\xe9.json")
    slip = workload()
    slip["metadata"]["\ud800"] = "\udfff"
    files.text(name, json.dumps(slip))
    files.write("fleet.yaml", truth("a"))
    told = run("explain", "-f", name, "--truth", "fleet.yaml", "-o", form)
    assert told.exit_code == 2
    assert "internal error" not in told.stderr
    if form != "github":
        assert "caf\\udce9.json:1: metadata.\\ud800" in told.stderr


def test_everything_that_is_wrong_is_said_in_one_round(files: Files) -> None:
    files.write("vm.yaml", workload(architecture="z80"))
    told = run("explain", "-f", "vm.yaml", "--truth", "nowhere.yaml")
    assert told.exit_code == 2
    assert "spec.architecture" in told.stderr
    assert "nowhere.yaml: there is no such file" in told.stderr


def test_a_byte_order_mark_is_no_text(files: Files) -> None:
    files.text("vm.yaml", b"\xef\xbb\xbf" + yaml.safe_dump(workload()).encode())
    assert good_call(files, "vm.yaml")[0] == 0


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-24", "2026-11-24T09:00:00", ""])
def test_a_time_that_is_none_is_refused(text: str, files: Files) -> None:
    files.write("vm.yaml", workload())
    told = run("explain", "-f", "vm.yaml", "--truth", "vm.yaml", "--now", text)
    assert told.exit_code == 2
    assert "no time with a zone" in told.stderr
