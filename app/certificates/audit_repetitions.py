"""Tells a harmless repetition of an event from one that came with other content."""

from enum import Enum
from zlib import crc32

REMEMBERED = 200_000


class Sight(Enum):
    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


class Repetitions:
    """Digests of the newest events of a partition: a publisher repeats only what is recent.

    `forgot`: some digest had to leave, so an old event that looks new may be a repetition.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.forgot = False
        self._digests: dict[str, int] = {}
        self._remembered = remembered

    def sight(self, event_id: str, value: bytes) -> Sight:
        digest = crc32(value)
        known = self._digests.get(event_id)
        if known is not None:
            return Sight.SAME if known == digest else Sight.CHANGED
        self._digests[event_id] = digest
        if len(self._digests) > self._remembered:
            del self._digests[next(iter(self._digests))]
            self.forgot = True
        return Sight.NEW
