"""What API server and etcd count of themselves, read before and after a while."""

import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schedune_testing.control_plane import ControlPlane

_LINE: Final = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
_LABEL: Final = re.compile(r'([a-z_]+)="([^"]*)"')
_WANTED: Final = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "apiserver_request_total",
    "apiserver_request_body_size_bytes_sum",
    "apiserver_response_sizes_sum",
    "etcd_disk_wal_write_bytes_total",
    "etcd_mvcc_db_total_size_in_bytes",
)

_Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True)
class Counters:
    """One reading."""

    time_s: float
    _api_server: list[_Sample]
    _etcd: list[_Sample]

    def api_server(self, name: str, **labels: set[str]) -> float:
        """Sum a metric of the API server over the rows whose labels are among these."""
        return _sum(self._api_server, name, labels)

    def etcd(self, name: str) -> float:
        """Return a metric of etcd."""
        return _sum(self._etcd, name, {})

    @property
    def cpu_s(self) -> float:
        """CPU seconds of both since they began."""
        name = "process_cpu_seconds_total"
        return self.api_server(name) + self.etcd(name)


def read_counters(plane: ControlPlane) -> Counters:
    """Read both now."""
    text = plane.kubectl("get", "--raw", "/metrics").stdout
    url = f"http://127.0.0.1:{plane.layout.etcd_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        store = answer.read().decode()
    return Counters(time.monotonic(), _parse(text), _parse(store))


def _parse(text: str) -> list[_Sample]:
    found = list[_Sample]()
    for line in text.splitlines():
        match = _LINE.match(line) if line.startswith(_WANTED) else None
        if match is not None:
            found.append((match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))
    return found


def _sum(samples: list[_Sample], name: str, wanted: Mapping[str, set[str]]) -> float:
    return sum(
        value
        for one, labels, value in samples
        if one == name and all(labels.get(key) in among for key, among in wanted.items())
    )
