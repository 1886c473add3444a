"""Pseudonyms for names and labels: equal where they were equal, so that decisions stay the same.

They are the same in every snapshot of one cluster. Who does not know the cluster's UID cannot
find a name by trying.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from schedune_cli.reading.objects import Raw

REDACTED: Final = "redacted"
_OUR_LABEL: Final = re.compile(r"(?:[\w.-]+\.)?schedune\.io/")
_COMMON_LABEL: Final = re.compile(r"(?:[\w.-]+\.)?(?:kubernetes|k8s)\.io/")
_HARMLESS_LABELS: Final = frozenset({"kubernetes.io/arch", "kubernetes.io/os"})
_HARMLESS_VALUE: Final = re.compile(r"(?:|true|false|[+-]?[0-9]{1,19})\Z")
"""Values that name nobody; numbers must stay numbers for Gt and Lt, as far as those compare."""
_ADDRESS: Final = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|\b[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){4,7}\b"  # IPv6, and of network cards
)
_FREE_TEXT: Final = frozenset({
    "message", "observed", "expected", "value", "source", "method", "evidence",
})  # fmt: skip
"""Fields that hold what people or programs wrote."""


class Pseudonyms:
    """What stands for the names of one cluster."""

    def __init__(self, key: str, node_names: list[str]) -> None:
        self._key = key.encode()
        self._digests: dict[str, str] = {}
        longest_first = sorted(node_names, key=lambda name: (-len(name), name))
        words = "|".join(re.escape(name) for name in longest_first)
        self._names = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])") if words else None

    def of(self, text: str) -> str:
        """Return what stands for a text; nothing stays nothing."""
        if not text:
            return text
        return "h" + self._keyed(text).hex()[:12]

    def card(self, address: str) -> str:
        """Return what stands for the address of a network card: an address that a card may have.

        Locally administered and for one station (the two low bits of its first byte).
        """
        digest = bytearray(self._keyed(address)[:6])
        digest[0] = digest[0] & 0xFC | 0x02
        return digest.hex(":")

    def _keyed(self, text: str) -> bytes:
        return hmac.new(self._key, text.encode(), hashlib.sha256).digest()

    # --- digests ---------------------------------------------------------------------

    def learn(self, real: str, shown: str) -> None:
        """Remember the digest that demands have once their labels are pseudonyms."""
        self._digests[real] = shown

    def digest(self, real: str) -> str:
        """Return what stands for a digest of demands: that of a workload's own, or another one.

        The real one would tell labels to whoever tries them.
        """
        return self._digests.get(real) or self.of(real)

    # --- labels ----------------------------------------------------------------------

    def label_key(self, key: str) -> str:
        """Keep keys that are ours or Kubernetes' own."""
        return key if _OUR_LABEL.match(key) or _COMMON_LABEL.match(key) else self.of(key)

    def label_value(self, key: str, value: str) -> str:
        """Keep values that are ours or name nobody."""
        if _OUR_LABEL.match(key) or key in _HARMLESS_LABELS or _HARMLESS_VALUE.match(value):
            return value
        return self.of(value)

    def labels(self, labels: Mapping[str, str] | None) -> dict[str, str]:
        """Return labels, or a selector of them."""
        held = labels or {}
        return {self.label_key(key): self.label_value(key, held[key]) for key in held}

    def selectors(self, value: Any) -> Any:
        """Rewrite every label key and value in a placement policy, a taint or a toleration."""
        if isinstance(value, list):
            return [self.selectors(one) for one in value]
        if not isinstance(value, dict):
            return value
        found = {name: self.selectors(one) for name, one in value.items()}
        for name in ("nodeSelector", "matchLabels"):
            if name in value:
                found[name] = self.labels(value[name])
        if "topologyKey" in value:
            found["topologyKey"] = self.label_key(value["topologyKey"])
        key = value.get("key")
        if isinstance(key, str):
            found["key"] = self.label_key(key)
            found |= self._values(key, value)
        return found

    def _values(self, key: str, value: Raw) -> Raw:
        found: Raw = {}
        if isinstance(value.get("value"), str):
            found["value"] = self.label_value(key, value["value"])
        if isinstance(value.get("values"), list):
            found["values"] = [self.label_value(key, one) for one in value["values"]]
        return found

    # --- text ------------------------------------------------------------------------

    def scrub(self, value: Any, name: str = "") -> Any:
        """Take names of nodes and addresses out of text that people or programs wrote."""
        if isinstance(value, dict):
            return {key: self.scrub(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.scrub(one, name) for one in value]
        if not isinstance(value, str) or name not in _FREE_TEXT:
            return value
        without = _ADDRESS.sub(REDACTED, value)
        if self._names is None:
            return without
        return self._names.sub(lambda found: self.of(found[0]), without)
