"""Network cards of a launch spec: each one is a tap device on a bridge of the node."""

import re
from collections.abc import Sequence
from typing import Final

from schedune_cli.importing.fields import Fields
from schedune_cli.importing.names import is_label

_TYPES: Final = {"tap": "tap", "macvtap": "macvtap", "bridge": "bridge"}
_MAC: Final = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", re.ASCII)
_OUTCOMES: Final = {
    "tap": "names a bridge here; the agent makes the tap device itself",
    "macvtap": "there is no macvtap here: a tap device on a bridge of this name",
}


def networks_of(fields: Fields) -> list[dict[str, object]]:
    """Read typed networks, or else the legacy list of devices; typed wins."""
    found: list[dict[str, object]] = []
    for one in fields.parts("networks"):
        found.append(_network(one, found))
    if found:
        fields.drop("network_attachments", "networks wins over it, as in the original")
        return found
    for index, device in enumerate(fields.texts("network_attachments")):
        place = f"{fields.path_of('network_attachments')}[{index}]"
        if not _DEVICE.fullmatch(device):
            fields.notes.refuse(place, device, "must be the name of a network device")
        fields.notes.change(place, device, _OUTCOMES["tap"])
        found.append({"name": f"net-{index + 1}", "type": "Tap", "tap": {"bridge": device}})
    return found


def _network(fields: Fields, before: Sequence[dict[str, object]]) -> dict[str, object]:
    kind = fields.required_choice("type", _TYPES)
    device, name = fields.text("host_device", required=True), fields.text("network_id")
    if device and not _DEVICE.fullmatch(device):
        fields.refuse("host_device", "must be the name of a network device")
    if kind in _OUTCOMES:
        fields.change("host_device", _OUTCOMES[kind])
    tap = {"bridge": device, **_mac(fields)}
    if name and (not is_label(name) or name in {one["name"] for one in before}):
        fields.change("network_id", "no name of a card here: one is given by place")
        name = ""
    fields.close()
    return {"name": name or f"net-{len(before) + 1}", "type": "Tap", "tap": tap}


def _mac(fields: Fields) -> dict[str, str]:
    address = fields.text("mac_address").lower()
    if not address:
        return {}
    if not _MAC.fullmatch(address):
        fields.refuse("mac_address", "must be six pairs of hexadecimal digits: 52:54:00:00:00:01")
    return {"macAddress": address}
