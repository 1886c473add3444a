"""How long ago something was decided, by a clock that may have been set back since."""

from datetime import datetime, timedelta
from typing import Final

_NOTHING: Final = timedelta()


def is_young(decided: datetime, now: datetime, most: timedelta) -> bool:
    """Say whether that is less long ago; of what lies ahead nobody knows how old it is."""
    return _NOTHING <= now - decided < most
