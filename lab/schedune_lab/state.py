"""What a lab remembers of itself: one directory, read again by whoever comes later."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from schedune_lab.objects import Added
from schedune_lab.processes import Identity, is_alive

_SUPERVISOR: Final = "supervisor.json"


def default_state(name: str) -> Path:
    """Return where a lab of this name lives."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "schedune" / "labs" / name


@dataclass(frozen=True)
class Part:
    """A process that the supervisor keeps running."""

    name: str
    argv: Sequence[str]


@dataclass(frozen=True)
class Token:
    """A token file that the supervisor keeps valid; bound to a pod where one is named."""

    file: str
    service_account: str
    pod: str = ""
    pod_uid: str = ""


@dataclass(frozen=True)
class KeptNode:
    """A Node without a kubelet, for which the supervisor does what a kubelet would."""

    name: str
    uid: str


@dataclass(frozen=True)
class GivenCluster:
    """An existing cluster: by which kubeconfig it was reached, and that it is the same one."""

    kubeconfig: str
    context: str
    uid: str


@dataclass(frozen=True)
class Ports:
    """Where the lab's parts are seen, on loopback."""

    operator: int
    """Metrics and readiness of the operator."""
    agent: int
    """The same of this machine's agent."""
    fleet_page: int
    """The fleet page."""

    @property
    def fleet_page_url(self) -> str:
        """Where a browser finds the fleet page."""
        return f"http://127.0.0.1:{self.fleet_page}/"


@dataclass(frozen=True)
class Facts:
    """What a lab was made of."""

    lab: str
    kubectl: str
    runs: str
    supervisor: Sequence[str]
    ports: Ports
    kubernetes: str = ""
    server: str = ""
    given: GivenCluster | None = None
    complete: bool = False
    """Whether the set-up came to its end: only then is there something to find."""


@dataclass(frozen=True)
class State:
    """The directory of one lab."""

    folder: Path

    def write_parts(self, parts: Sequence[Part]) -> None:
        """Say what shall run, in this order."""
        self._write("parts.json", [asdict(one) for one in parts])

    def parts(self) -> list[Part]:
        """Return what shall run."""
        return [Part(one["name"], one["argv"]) for one in self._read("parts.json") or []]

    def write_tokens(self, tokens: Sequence[Token]) -> None:
        """Say which token files shall be kept valid."""
        self._write("tokens.json", [asdict(one) for one in tokens])

    def tokens(self) -> list[Token]:
        """Return which token files shall be kept valid."""
        return [Token(**one) for one in self._read("tokens.json") or []]

    def write_nodes(self, nodes: Sequence[KeptNode]) -> None:
        """Say for which Nodes somebody has to speak."""
        self._write("nodes.json", [asdict(one) for one in nodes])

    def nodes(self) -> list[KeptNode]:
        """Return for which Nodes somebody has to speak."""
        return [KeptNode(**one) for one in self._read("nodes.json") or []]

    def write_added(self, added: Sequence[Added]) -> None:
        """Remember what the lab made on its cluster."""
        self._write("added.json", [asdict(one) for one in added])

    def added(self) -> list[Added]:
        """Return what the lab made on its cluster, in the order of its making."""
        return [Added(**one) for one in self._read("added.json") or []]

    def write_facts(self, facts: Facts) -> None:
        """Remember what the lab was made of."""
        self._write("lab.json", asdict(facts))

    def facts(self) -> Facts | None:
        """Return what the lab was made of; None: there is none."""
        found = self._read("lab.json")
        if not isinstance(found, dict):
            return None
        given, ports = found.pop("given"), Ports(**found.pop("ports"))
        return Facts(**found, ports=ports, given=GivenCluster(**given) if given else None)

    def write_identity(self, part: str, identity: Identity, restarts: int) -> None:
        """Remember which process a part is."""
        (self.folder / "running").mkdir(parents=True, exist_ok=True)
        self._write(f"running/{part}.json", {**asdict(identity), "restarts": restarts})

    def identity(self, part: str) -> tuple[Identity, int] | None:
        """Return which process a part is, or last was, and how often it was restarted."""
        found = self._read(f"running/{part}.json")
        if not isinstance(found, dict):
            return None
        return Identity(found["pid"], found["start_time"], found["boot_id"]), int(found["restarts"])

    def alive(self, part: str) -> Identity | None:
        """Return which process a part is; None: it does not run."""
        found = self.identity(part)
        return found[0] if found is not None and is_alive(found[0]) else None

    def all_run(self) -> bool:
        """Say whether every part runs that was not stopped on purpose."""
        names = [part.name for part in self.parts()]
        return bool(names) and all(
            self.alive(name) is not None or self.stop_file(name).exists() for name in names
        )

    def running_parts(self) -> list[str]:
        """Return the parts that have a recorded process, in the order of their start."""
        known = {path.stem for path in (self.folder / "running").glob("*.json")}
        ordered = [one.name for one in self.parts() if one.name in known]
        return ordered + sorted(known.difference(ordered))

    def write_supervisor(self, identity: Identity) -> None:
        """Remember who supervises."""
        self._write(_SUPERVISOR, asdict(identity))

    def supervisor(self) -> Identity | None:
        """Return the supervisor if it is alive."""
        found = self._read(_SUPERVISOR)
        if not isinstance(found, dict):
            return None
        identity = Identity(**found)
        return identity if is_alive(identity) else None

    def stop_file(self, part: str) -> Path:
        """Return the file whose existence keeps a part stopped."""
        return self.folder / "stopped" / part

    def log(self, part: str) -> Path:
        """Return a part's log file."""
        return self.folder / "log" / f"{part}.log"

    def _write(self, name: str, content: object) -> None:
        path = self.folder / name
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=1))
        fresh.replace(path)

    def _read(self, name: str) -> Any:
        try:
            found = json.loads((self.folder / name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found
