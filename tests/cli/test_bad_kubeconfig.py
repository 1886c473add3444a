"""What is no kubeconfig, or no stream, is told as what it is: no defect of ours."""

import base64
import sys
from pathlib import Path

import pytest
import yaml

from schedune.telling.page import Page
from schedune_cli.commands.options import page_here
from schedune_cli.importing import command
from schedune_cli.reading.sources import standard_input
from schedune_kube.kubeconfig import KubeconfigError, from_kubeconfig
from schedune_testing.recordings import Files, run, workload

NO_CERTIFICATE = base64.b64encode(b"no certificate").decode()


def kubeconfig(user: dict[str, str], **cluster: object) -> str:
    named = {"server": "https://127.0.0.1:1", **cluster}
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": named}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "w", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "w",
        }
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("clusters: [", "is not YAML"),
        (b"clusters: \xff", "is not UTF-8"),
        ("[1, 2]", "does not have the form of a kubeconfig"),
        ("hello", "does not have the form of a kubeconfig"),
        ("{contexts: [7], current-context: w}", "does not have the form of a kubeconfig"),
        (kubeconfig({}, server=7), "does not have the form of a kubeconfig"),
        (
            kubeconfig({}, **{"certificate-authority-data": NO_CERTIFICATE}),
            "its certificate-authority is no certificate",
        ),
        (
            kubeconfig({"client-certificate-data": NO_CERTIFICATE}),
            "its client-certificate and client-key cannot be used",
        ),
        (kubeconfig({"as": "viewer"}), "user u has as, which Schedune does not do: give a user"),
        (kubeconfig({"as-uid": "7"}), "user u has as-uid, which Schedune does not do"),
        (
            kubeconfig({}, **{"insecure-skip-tls-verify": True}),
            "cluster c has insecure-skip-tls-verify, which Schedune does not do: give the",
        ),
        (
            kubeconfig({}, **{"proxy-url": "http://proxy:3128"}),
            "cluster c has proxy-url, which Schedune does not do: give a server URL",
        ),
        (
            kubeconfig({}, **{"tls-server-name": "kubernetes"}),
            "cluster c has tls-server-name, which Schedune does not do: give a server URL",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_named_with_what_is_wrong_with_it(
    files: Files, content: str | bytes, told: str
) -> None:
    files.text("kube.yaml", content)
    files.write("vm.yaml", workload())
    for command_line in (("nodes",), ("explain", "-f", "vm.yaml"), ("release", "web")):
        given = () if command_line[0] != "release" else ("--asserted-by", "me", "--because", "x")
        answer = run(*command_line, *given, "--kubeconfig", "kube.yaml")
        assert answer.exit_code == 2
        assert f"kubeconfig kube.yaml: {told}" in answer.stderr
        assert "--kubeconfig" in answer.stderr
        assert "defect" not in answer.stderr


def test_a_folder_is_no_kubeconfig(tmp_path: Path, files: Files) -> None:
    files.write("vm.yaml", workload())
    answer = run("explain", "-f", "vm.yaml", "--kubeconfig", tmp_path)
    assert answer.exit_code == 2
    assert f"kubeconfig {tmp_path}: Is a directory; " in answer.stderr


def test_a_bad_kubeconfig_keeps_nothing_from_being_said_of_the_manifests(files: Files) -> None:
    files.text("kube.yaml", "[1, 2]")
    files.write("vm.yaml", workload(knob=1))
    answer = run("explain", "-f", "vm.yaml", "--kubeconfig", "kube.yaml")
    assert "knob" in answer.stderr
    assert "kubeconfig kube.yaml" in answer.stderr


def test_streams_that_a_caller_closed_are_empty_and_no_terminals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert standard_input().read() == b""
    assert command._read(Path("-")) == ""
    monkeypatch.setattr(sys, "stdout", None)
    assert page_here() == Page()


def test_what_another_context_asks_for_and_what_is_switched_off_is_in_nobodys_way(
    tmp_path: Path,
) -> None:
    whole = yaml.safe_load(kubeconfig({"token": "t"}, **{"insecure-skip-tls-verify": False}))
    whole["users"].append({"name": "other", "user": {"as": "viewer"}})
    whole["contexts"].append({"name": "x", "context": {"cluster": "c", "user": "other"}})
    path = tmp_path / "kube.yaml"
    path.write_text(yaml.safe_dump(whole))
    assert from_kubeconfig(path).token == "t"
    with pytest.raises(KubeconfigError, match="user other has as"):
        from_kubeconfig(path, "x")
