"""Rows about the networks of a placement on its node: taps made, ports taken."""

from typing import Final

from schedune.codes.row import Actor, Precedence, Row, Stage


def _row(code: str, reason: str, actor: Actor, sentence: str, remedy: str, cause: str) -> Row:
    return Row(
        code, reason, Stage.EXECUTION, actor, Precedence.INFORMATION, sentence, remedy, cause
    )


TAP_NOT_MADE: Final = _row(
    "ERR_EXEC_TAP_NOT_MADE",
    "TapNotMade",
    Actor.ADMINISTRATOR,
    "no tap could be made for the bridge {required}: {observed}",
    "read the message; the agent needs /dev/net/tun and CAP_NET_ADMIN in the bridge's network namespace",
    "The kernel refused to make the tap, or to put it on the bridge.",
)
TAP_IN_USE: Final = _row(
    "ERR_EXEC_TAP_IN_USE",
    "TapInUse",
    Actor.ADMINISTRATOR,
    "the network device {observed}, which would be the tap on {required}, is in use",
    "end what holds the device on the node, or remove it if it is no tap",
    "A process holds the tap of this placement, or a device that is no tap has its name.",
)
TAP_GONE: Final = _row(
    "ERR_EXEC_TAP_GONE",
    "TapGone",
    Actor.ADMINISTRATOR,
    "the network device {observed} was removed before the VMM opened it",
    "find out what removes network devices on the node; their names begin with sch",
    "The tap that the agent had made was no longer there when the VMM was to open it.",
)
NODE_PORT_TAKEN: Final = _row(
    "REFUSED_NODE_PORT_TAKEN",
    "NodePortInUse",
    Actor.USER,
    "port {required} of the node is in use by {observed}",
    "the operator places the VM elsewhere; choose another nodePort, or end what uses it on the node",
    "A port forward's nodePort is that of another VM of the node, or of some other program on it.",
)
