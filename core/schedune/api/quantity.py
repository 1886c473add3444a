"""Kubernetes quantities: what a user writes for bytes, read exactly."""

import re
from decimal import Decimal
from typing import Final

_FORM: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?",
    re.ASCII,
)
_FACTORS: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_BINARY: Final = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")
_MEBI: Final = 2**20
MAX_BYTES: Final = 2**53
"""8Pi, more than any machine has: sums and scores of such amounts still fit 63 bits."""


class QuantityError(ValueError):
    """Text that is no quantity of bytes; the message names the text and the remedy."""


def parse_bytes(text: str | int) -> int:
    """Return the whole number of bytes that a quantity stands for, rounded up.

    Raises:
        QuantityError: the text is no quantity, is negative, or exceeds ``MAX_BYTES``.
    """
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise QuantityError(f"'{text}' is not a quantity; write it like 512Mi or 8Gi")
    suffix = found["suffix"] or ""
    factor = _FACTORS.get(suffix)
    if factor is None:
        exponent = int(suffix[1:])
        if abs(exponent) > 30:
            raise QuantityError(f"'{text}' has an exponent beyond 30")
        factor = Decimal(10) ** exponent
    amount = Decimal(found["number"]) * factor
    if found["sign"] == "-" and amount:
        raise QuantityError(f"'{text}' must not be negative")
    whole = int(amount.to_integral_value(rounding="ROUND_CEILING"))
    if whole > MAX_BYTES:
        raise QuantityError(f"'{text}' must not exceed {render_bytes(MAX_BYTES)}")
    return whole


def render_bytes(amount: int) -> str:
    """Write bytes as people read them: exact when binary units allow, else in MiB."""
    for suffix in _BINARY:
        unit = int(_FACTORS[suffix])
        if amount >= unit and amount % unit == 0:
            return f"{amount // unit}{suffix}"
    return f"{amount // _MEBI}Mi" if amount >= _MEBI else str(amount)


def render_needed(amount: int) -> str:
    """Write bytes that are asked for: like ``render_bytes``, but never less than they are."""
    is_exact = amount < _MEBI or amount % 2**10 == 0
    return render_bytes(amount if is_exact else -(-amount // _MEBI) * _MEBI)


def render_exact(amount: int) -> str:
    """Write bytes so that reading them gives the same number, in units where they allow."""
    text = render_bytes(amount)
    return text if parse_bytes(text) == amount else str(amount)
