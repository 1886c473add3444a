"""Text that fits: a line or a field that had to be cut says so."""

from typing import Final

WIDTH: Final = 118
"""Columns of a line for people: 120 with the indent of ``kubectl describe``."""
_CUT: Final = "..."


def shorten(text: str, most: int = WIDTH) -> str:
    """Return a text of at most so many characters; one that was cut ends in dots.

    Bytes that are no text, as in the name of a file or a program, are escaped: no object
    could hold them.
    """
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def plain_line(text: str, most: int = WIDTH) -> str:
    """Return one ASCII line: ``kubectl describe`` aligns nothing else."""
    ascii_only = text.encode("ascii", "replace").decode()
    return shorten(ascii_only.replace("\n", " ").replace("\t", " ").rstrip(), most)
