"""The fleet page in a real browser: read by clicks, on any screen, with nothing that acts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schedune_operator.seen.reading import Reading
from schedune_testing.browser import Browser, browsing
from schedune_testing.recordings import workload
from schedune_testing.seen import changed, decided, recorded_nodes, settled, shown, world_of

HOSTILE = "</td><script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def fleet() -> Reading:
    ready, bound = settled("runs", "arm-01-1")
    waits = workload("waits", resources={"vcpus": 1, "memory": "900Gi"})
    nodes = recorded_nodes(20)
    nodes[2]["spec"] = {"unschedulable": True}
    nodes[1]["status"]["os"] = {"hostname": "h", "kernel": HOSTILE, "name": HOSTILE}
    found = world_of(nodes, [ready, waits], placements=[bound], silent=["x86-02-1"])
    decided(found, waits)
    waits["status"]["why"].append(HOSTILE)
    waits["status"]["conditions"][0]["message"] += HOSTILE
    changed(found, waits)
    return found


@asynccontextmanager
async def reading_it(folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    async with shown(fleet()) as session, browsing(folder) as browser:
        assert session._base_url is not None
        yield browser, str(session._base_url).rstrip("/")


async def test_one_click_leads_from_the_fleet_to_the_explanation(tmp_path: Path) -> None:
    async with reading_it(tmp_path) as (browser, at):
        await browser.go(f"{at}/")
        text = await browser.text()
        assert "REJECT_INSUFFICIENT_MEMORY" in text
        await browser.click("default/waits")
        told = await browser.text()
        assert "0/20 nodes can run this VM" in told
        assert "Smallest changes that free nodes" in told
        await browser.click("Nodes")
        assert "1 to 20 of 20 nodes" in await browser.text()
        await browser.click("arm-01-1")
        assert "kvm_vm_launch" in await browser.text()
        assert browser.console == []


async def test_a_list_is_narrowed_by_a_form_whose_answer_has_an_address(tmp_path: Path) -> None:
    async with reading_it(tmp_path) as (browser, at):
        await browser.go(f"{at}/nodes")
        await browser.evaluate("document.querySelector('select').value = 'cordoned'")
        await browser.click("Show")
        assert await browser.evaluate("location.search") == "?state=cordoned&q="
        assert "1 to 1 of 1 nodes" in await browser.text()


async def test_what_others_say_runs_nothing_and_nothing_comes_from_elsewhere(
    tmp_path: Path,
) -> None:
    async with reading_it(tmp_path) as (browser, at):
        for path in ("/", "/workloads", "/workloads/default/waits", "/nodes/arm-01-1"):
            await browser.go(f"{at}{path}")
            assert "<script>window" in (await browser.text()).replace("\n", "")
            assert await browser.evaluate("typeof window.ran") == "undefined"
            assert await browser.evaluate("document.querySelectorAll('script, img').length") == 0
        assert browser.console == []
        assert all(one.startswith((f"{at}/", "about:")) for one in browser.requests)


@pytest.mark.parametrize("path", ["/", "/nodes", "/workloads/default/waits", "/nodes/arm-01-1"])
async def test_it_is_read_on_any_screen_by_day_and_by_night(tmp_path: Path, path: str) -> None:
    async with reading_it(tmp_path) as (browser, at):
        await browser.go(f"{at}{path}")
        grounds = set()
        for width in (400, 1280):
            for dark in (False, True):
                await browser.picture(tmp_path / "p.png", width=width, dark=dark)
                assert not await browser.evaluate(WIDE), width
                style = "getComputedStyle(document.body)"
                grounds.add(await browser.evaluate(f"{style}.backgroundColor"))
        assert len(grounds) == 2
