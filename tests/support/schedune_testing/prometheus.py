"""Debian's Prometheus: it scrapes what a test serves, and its promtool tries alerts."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from schedune_lab.ports import free_ports
from schedune_testing.debian import packages
from schedune_testing.recordings import ROOT
from schedune_testing.waiting import until

COMPONENT: Final = ROOT / "manifests/components/monitoring"
Object = dict[str, Any]


def rules() -> list[Object]:
    """Return the alerts."""
    (group,) = yaml.safe_load((COMPONENT / "rules.yaml").read_text())["spec"]["groups"]
    return list(group["rules"])


def panels() -> list[Object]:
    """Return the dashboard's panels that ask something."""
    dashboard = json.loads((COMPONENT / "dashboard.json").read_text())
    return [one for one in dashboard["panels"] if "targets" in one]


def queries(interval: str) -> dict[str, str]:
    """Return every query of the dashboard, and every value that an alert compares, by its place."""
    found = {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }
    found |= {f"alert {one['alert']}": compared(one["expr"]) for one in rules()}
    return {
        place: expr.replace("$__rate_interval", interval).replace("[10m]", f"[{interval}]")
        for place, expr in found.items()
    }


def compared(expr: str) -> str:
    """Return what an alert compares with its bound; absence has nothing to compare."""
    absent = re.fullmatch(r"absent\((.*)\) == 1", expr)
    if absent:
        return absent[1]
    return re.sub(r" (?:>|<) [\d.]+$", "", expr)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool, whatever comes of it."""
    tree = packages("prometheus", ("prometheus",))
    argv = [str(tree.program("usr/bin/promtool")), *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str) -> list[Object]:
        """Return what a query gives now."""
        asked = urllib.parse.urlencode({"query": query})
        address = f"{self._url}/api/v1/query?{asked}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own
            told = json.load(answer)
        assert told["status"] == "success", told
        return list(told["data"]["result"])

    def is_ready(self) -> bool:
        """Say whether it answers."""
        try:
            self.ask("up")
        except OSError:
            return False
        return True


@contextmanager
def scraping(folder: Path, targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ports of loopback, by job, once a second."""
    tree = packages("prometheus", ("prometheus",))
    (port,) = free_ports(1)
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]}
        for job, at in targets.items()
    ]
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs})
    )
    argv = [
        str(tree.program("usr/bin/prometheus")), f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(argv, stderr=log, stdout=log)
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        until(found.is_ready)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=20)
