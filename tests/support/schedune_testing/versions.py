"""Versions, compared without the code that is under test."""


def as_numbers(text: str) -> tuple[int, ...]:
    """Return a plain version as three numbers."""
    numbers = [int(part) for part in text.split(".")]
    return tuple((*numbers, 0, 0, 0)[:3])
