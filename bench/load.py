"""What a while cost the API server and its store, by their own counters."""

from typing import Any, Final

from counters import Counters
from table import mebi, tell

_WRITES: Final = {"POST", "PATCH", "APPLY"}
_REFUSED: Final = {"429", "500", "503", "504"}


def beats(counters: Counters) -> float:
    """Return how many heartbeats there were so far."""
    return counters.api_server("apiserver_request_total", verb={"PATCH"}, resource={"leases"})


def _requests(counters: Counters, verbs: set[str], **labels: set[str]) -> float:
    return counters.api_server(
        "apiserver_request_total", verb=verbs, resource={"nodetruths", "leases"}, **labels
    )


def tell_load(name: str, before: Counters, after: Counters, nodes: int) -> None:
    """Print what one while cost the API server and its store."""
    took = after.time_s - before.time_s

    def rate(of: Any) -> float:
        return float(of(after) - of(before)) / took

    writes = rate(lambda one: _requests(one, _WRITES))
    truths = rate(lambda one: _requests(one, {"APPLY"}))
    reads = rate(
        lambda one: one.api_server(
            "apiserver_request_total", verb={"GET"}, resource={"nodetruths", "nodes"}
        )
    )
    refused = rate(lambda one: _requests(one, {*_WRITES, "GET"}, code=_REFUSED)) * took
    bodies = rate(
        lambda one: one.api_server(
            "apiserver_request_body_size_bytes_sum", resource={"nodetruths", "leases"}
        )
    )
    bound = "<= 200 /s at 10,000" if name == "steady" else ""
    tell(f"{name}: writes, of them of truths", f"{writes:.1f} / {truths:.2f} /s", bound)
    tell(f"{name}: reads of own truth and Node", f"{reads:.1f} /s")
    tell(f"{name}: bytes of writes, as sent", f"{bodies / 1000:.1f} kB/s")
    wal = rate(lambda one: one.etcd("etcd_disk_wal_write_bytes_total"))
    tell(f"{name}: bytes that etcd wrote to its log", f"{wal / 1000:.1f} kB/s")
    for part, of in (("API server", Counters.api_server), ("etcd", Counters.etcd)):
        cpu = rate(lambda one, of=of: of(one, "process_cpu_seconds_total"))
        memory = of(after, "process_resident_memory_bytes")
        tell(f"{name}: {part}, CPU of a core / RSS", f"{cpu * 100:.1f} % / {mebi(memory)}")
    tell(f"{name}: requests refused or failed at the server", f"{refused:.0f}")
    tell(f"{name}: {nodes} nodes, measured for", f"{took:.0f} s")
