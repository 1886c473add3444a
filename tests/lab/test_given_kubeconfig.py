"""A given kubeconfig is read, or refused with the file, the value and the remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from schedune_kube.kubeconfig import from_kubeconfig
from schedune_lab import existing
from schedune_lab.commands import lab
from schedune_lab.existing import Wish, look_at
from schedune_lab.kubeconfig import read_server, write_kubeconfig
from schedune_lab.progress import LabError

_WITHOUT_CLUSTER = """
contexts: [{name: work, context: {}}, 7]
current-context: work
"""


def kubeconfig(folder: Path, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    path = folder / "given.yaml"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443/", **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "work", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "work",
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_current_context_is_used_unless_another_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path)
    assert read_server(path, None) == ("work", "https://k8s.example:6443")
    with pytest.raises(LabError, match=r"given\.yaml has no 'play' among its contexts.*: work"):
        read_server(path, "play")


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ({"server": "http://127.0.0.1:8080"}, r"'http://127\.0\.0\.1:8080'.* by https only"),
        ({"insecure-skip-tls-verify": True}, "give the cluster's certificate-authority"),
        ({"proxy-url": "http://proxy:3128"}, "give its own URL"),
        ({"tls-server-name": "k8s"}, "name is in the server's certificate"),
    ],
)
def test_what_the_labs_parts_cannot_do_is_refused_with_its_remedy(
    tmp_path: Path, cluster: dict[str, Any], told: str
) -> None:
    with pytest.raises(LabError, match=told) as refusal:
        read_server(kubeconfig(tmp_path, **cluster), None)
    assert str(tmp_path / "given.yaml") in str(refusal.value)


def test_a_user_that_acts_as_another_is_refused_and_not_taken_for_itself(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t", "as": "somebody"})
    with pytest.raises(LabError, match="as of context work cannot be used"):
        read_server(path, None)


@pytest.mark.parametrize(
    "content", [None, "", "just words", "a: [", "clusters: []", _WITHOUT_CLUSTER]
)
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "wrong.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LabError, match=r"wrong\.yaml"):
        read_server(path, None)


def test_a_server_that_does_not_answer_is_refused_with_the_file(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, server="https://127.0.0.1:1")
    silent = tmp_path / "kubectl"
    silent.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    silent.chmod(0o755)
    with pytest.raises(LabError, match=r"given\.yaml: connection refused"):
        look_at(Wish(path), silent)


@pytest.mark.parametrize("version", ["v1.31.9", "v1.9.0", "v0.1.0", "nonsense"])
def test_a_kubernetes_that_is_too_old_is_refused_with_its_version(version: str) -> None:
    with pytest.raises(LabError, match=f"{version}; Schedune needs 1.32"):
        existing._check_version(version, "here")


@pytest.mark.parametrize("version", ["v1.32.0", "v1.33.1-eks-5ef7c21", "v2.0.0"])
def test_a_kubernetes_that_is_new_enough_is_taken(version: str) -> None:
    existing._check_version(version, "here")


def test_a_token_in_a_file_is_read_from_what_the_lab_writes(tmp_path: Path) -> None:
    token, path = tmp_path / "lab.token", tmp_path / "lab.kubeconfig"
    token.write_text("a.b.c\n")
    write_kubeconfig(path, "https://127.0.0.1:6443", tmp_path / "ca.crt", token_file=token)
    (tmp_path / "ca.crt").touch()
    assert from_kubeconfig(path).headers() == {"Authorization": "Bearer a.b.c"}
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("option", [["--not-empty"], ["--context", "work"]])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_an_option_about_a_cluster_needs_a_cluster(
    tmp_path: Path, command: str, option: list[str]
) -> None:
    state = tmp_path / "lab"
    done = CliRunner().invoke(lab, [command, "--state", str(state), *option])
    assert done.exit_code == 1
    assert "add --kubeconfig" in done.output
    assert not state.exists()
