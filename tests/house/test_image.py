"""The images: built from locked wheels, which exist for both architectures."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKED = {one["name"]: one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
PYTHON = (3, 13)
GLIBC = 36
"""Debian 12, the oldest base that the images may be built on, has glibc 2.36."""
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
Package = dict[str, Any]


def environment(machine: str) -> dict[str, str]:
    version = ".".join(map(str, PYTHON))
    return {
        "implementation_name": "cpython", "implementation_version": f"{version}.0",
        "os_name": "posix", "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "", "platform_system": "Linux", "platform_version": "",
        "python_full_version": f"{version}.0", "python_version": version, "sys_platform": "linux",
        "extra": "",
    }  # fmt: skip


def needed(machine: str) -> dict[str, Package]:
    """Return every package that an image holds, but Schedune itself."""
    found: dict[str, Package] = {}
    waiting = list(dependencies(LOCKED["schedune"], (), machine))
    while waiting:
        name, extras = waiting.pop()
        if name not in found or extras:
            found[name] = LOCKED[name]
            waiting += dependencies(LOCKED[name], extras, machine)
    return found


def dependencies(
    package: Package, extras: tuple[str, ...], machine: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    optional = package.get("optional-dependencies", {})
    wanted = [*package.get("dependencies", ()), *(x for e in extras for x in optional.get(e, ()))]
    for one in wanted:
        marker = one.get("marker")
        if marker is None or Marker(marker).evaluate(environment(machine)):
            yield one["name"], tuple(one.get("extra", ()))


def usable(machine: str) -> frozenset[Tag]:
    """Return the tags of wheels that Python takes on that machine."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    return frozenset(
        [*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, "cp313", platforms)]
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_locked_wheel_exists_for_the_architecture(architecture: str) -> None:
    machine = ARCHITECTURES[architecture]
    tags, packages = usable(machine), needed(machine)
    assert {"numpy", "aiohttp", "kopf", "psutil", "zstandard", "cryptography"} <= set(packages)
    without = []
    for name, package in packages.items():
        files = [one["url"].rpartition("/")[2] for one in package.get("wheels", ())]
        if not any(parse_wheel_filename(file)[3] & tags for file in files):
            without.append(name)
    assert not without, f"no wheel for {architecture} of {', '.join(sorted(without))}"


def test_a_wheel_for_another_architecture_or_a_newer_libc_is_not_taken_for_one() -> None:
    tags = usable("aarch64")
    for file in (
        "numpy-2.1.0-cp313-cp313-manylinux_2_17_x86_64.whl",
        "numpy-2.1.0-cp313-cp313-manylinux_2_40_aarch64.whl",
        "numpy-2.1.0-cp313-cp313-musllinux_1_2_aarch64.whl",
    ):
        assert not parse_wheel_filename(file)[3] & tags, file


def stage(name: str) -> str:
    """Return the lines of one stage of the Dockerfile."""
    found = re.search(rf"(?ms)^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE)
    assert found is not None, name
    return found[1]


def test_the_operator_image_is_nobodys_and_holds_nothing_but_the_environment() -> None:
    lines = [one for one in stage("operator").splitlines() if re.match("[A-Z]+ ", one)]
    assert [one.split()[0] for one in lines] == ["USER", "ENTRYPOINT"]
    assert "USER 64000:64000" in lines
    below = [one for one in stage("runtime").splitlines() if re.match("[A-Z]+ ", one)]
    assert [one.split()[0] for one in below] == ["COPY", "ARG", "ENV"]
    assert below[1:] == ['ARG REVISION=""', "ENV SCHEDUNE_REVISION=${REVISION}"]


def test_the_images_are_of_the_python_for_which_the_wheels_are_checked() -> None:
    wanted = ".".join(map(str, PYTHON))
    assert f"ARG BASE=python:{wanted}-slim" in DOCKERFILE
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}", "runtime"}


def test_the_pinned_uv_is_that_of_the_checkout() -> None:
    setup = (ROOT / "hack" / "setup.py").read_text()
    pinned = re.search(r'UV_VERSION = "(.+)"', setup)
    assert pinned is not None
    assert f"uv=={pinned[1]}" in DOCKERFILE
