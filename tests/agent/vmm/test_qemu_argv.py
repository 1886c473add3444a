"""QEMU's command line: what a user wrote is one argument of its own, or a file that we found."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schedune.api.machine import ArtifactRef, Disk, Network
from schedune.api.vmplacement import Claim, Launch
from schedune_agent.vmm.markers import mark_of, names_path
from schedune_agent.vmm.port import LaunchFiles, LaunchInputs, Owner, PlanError, VmPaths
from schedune_agent.vmm.qemu.argv import monitor_socket, render_argv

CLAIM = Claim(vcpus=1, memory="128Mi", overhead_memory="104Mi")
OWNER = Owner("11111111-2222-3333-4444-555555555555", "workload", "cluster-uid")
RUN = Path("/run/schedune/uid")
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


def argv(
    command_line: str | None = None, run: Path = RUN, kernel: str = "/images/kernel", **launch: Any
) -> list[str]:
    whole = Launch.model_validate(
        {
            "runtimeClass": "VirtualMachine",
            "architecture": "amd64",
            "acceleration": "Emulated",
            "vcpus": 1,
            "memory": "128Mi",
            "kernel": {"artifact": "kernel"},
            "commandLine": command_line,
            "restartPolicy": "Always",
            "readiness": {"level": "Backend", "timeoutSeconds": 60},
            "terminationGraceSeconds": 0,
            **launch,
        }
    )
    paths = VmPaths(run, Path("/var/lib/schedune/vms/uid"))
    files = LaunchFiles(Path(kernel), None)
    return render_argv(LaunchInputs("/q", whole, CLAIM, files, paths, OWNER, "127.0.0.1"))


STRANGE = (
    "a,snapshot=on", "guest=x,process=sshd", "-monitor stdio", "--", "%s%n", "=", "init=/bin/sh",
    "rdinit=/x root=/dev/vda -- single", '"; reboot; "', "$(reboot)", "`reboot`",
)  # fmt: skip


@given(printable.filter(bool) | st.sampled_from(STRANGE))
def test_a_command_line_of_a_user_is_one_argument_and_changes_no_other(text: str) -> None:
    plain, told = argv("quiet"), argv(text)
    (place,) = [at for at, one in enumerate(plain) if one == "quiet"]
    assert told[place - 1 : place + 1] == ["-append", text]
    assert [*told[:place], *told[place + 1 :]] == [*plain[:place], *plain[place + 1 :]]


@given(printable.filter(bool) | st.sampled_from((*STRANGE, "-fw_cfg", "-name")))
def test_the_marker_is_in_its_place_whatever_a_user_writes(text: str) -> None:
    mark = mark_of(argv(text), OWNER.placement_uid, OWNER.cluster_uid)
    assert mark is not None
    assert mark.is_in_place
    assert names_path(argv(text), monitor_socket(VmPaths(RUN, RUN)))


@pytest.mark.parametrize("kernel", ["/images/a,snapshot=on", "/images/a\nb"])
def test_a_path_that_qemu_would_misread_is_refused(kernel: str) -> None:
    with pytest.raises(PlanError, match="comma or a newline"):
        argv(kernel=kernel)


def test_a_socket_path_that_is_too_long_for_the_kernel_is_refused() -> None:
    longest = "/run/" + "x" * (107 - len("/run//q.sock"))
    argv(run=Path(longest))
    with pytest.raises(PlanError, match="longer than the 107 bytes"):
        argv(run=Path(f"{longest}x"))


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/shadow", "a/b", "a\0b", "a\nb", "-x", ".x", "x.", "x" * 129, "ключ", ""],
    ids=repr,
)
def test_a_name_of_an_artefact_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        ArtifactRef.model_validate({"artifact": name})


@pytest.mark.parametrize("name", ["../x", "a,b", "a\n", "-x", "A", "x" * 64, ""], ids=repr)
def test_a_name_of_a_disk_or_a_card_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    disk = {"source": {"empty": {"size": "1Gi"}}, "format": "Raw", "access": "Ephemeral"}
    for model, rest in ((Disk, disk), (Network, {"type": "User"})):
        model.model_validate({"name": "a", **rest})
        with pytest.raises(ValidationError):
            model.model_validate({"name": name, **rest})
